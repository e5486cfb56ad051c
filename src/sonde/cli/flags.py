"""Flags: how a command's typed signature gets its help from the recipe, and how `--set` and `--vary` are read."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter

from sonde.errors import UsageError
from sonde.recipe import FLAGS, field

GROUPS = {
    "data": Group("Data", sort_key=1),
    "task": Group("Task and model", sort_key=2),
    "model": Group("Task and model", sort_key=2),
    "optim": Group("Optimisation", sort_key=3),
    "training": Group("Training", sort_key=4),
}

Json = Annotated[bool, Parameter(negative=(), show_default=False, help="print one JSON document on standard output")]
Quiet = Annotated[bool, Parameter(negative=(), show_default=False, help="say nothing but the result and errors")]


def many(text: str, *, group: Group | None = None, several: bool = False) -> Parameter:
    """A flag that may be given several times; with `several` it also takes all words up to the next flag."""
    if group is None:  # cyclopts hides what is in the group None
        return Parameter(help=text, negative_iterable=(), show_default=False, consume_multiple=several)
    return Parameter(help=text, negative_iterable=(), show_default=False, consume_multiple=several, group=group)


def flag(name: str) -> Parameter:
    """The help of a recipe's flag: its description and default, as the recipe has them."""
    info, section = field(name), FLAGS[name][0]
    shown = "" if info.default in (None, (), False) else f" [default: {info.default}]"
    negative: tuple[str, ...] | None = None if "bool" in str(info.annotation) else ()
    return Parameter(help=info.description + shown, group=GROUPS[section], negative=negative, negative_iterable=())


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's flags among `values` (a command's `locals()`) that were given.

    Lists of names may be written with commas: `--drop Id,Name` is `--drop Id --drop Name`.
    """
    flags = {name: value for name, value in values.items() if name in FLAGS and value is not None}
    return {name: _split(value) if isinstance(value, (tuple, list)) else value for name, value in flags.items()}


def settings(texts: Sequence[str]) -> dict[str, Any]:
    """`--set` values by key: `("model.width=64",)` → `{"model.width": 64}`."""
    return dict(_pair(text, flag="--set") for text in texts)


def variations(text: str) -> tuple[str, list[Any]]:
    """`--vary`'s key and values: `"lr=0.1,0.01"` → `("optim.lr", [0.1, 0.01])`. A flag's name stands for its key."""
    key, _, values = text.partition("=")
    if not key.strip() or not values.strip():
        raise UsageError(f"--vary has no value in {text!r}", remedy="write key=value,value: --vary model.width=8,32,128")
    return key_of(key.strip()), [scalar(value) for value in _cut(values)]


def key_of(name: str) -> str:
    """A recipe key: `lr` and `--lr` → `optim.lr`; a key with a dot stays."""
    plain = name.lstrip("-").replace("-", "_")
    return ".".join(FLAGS[plain]) if plain in FLAGS else name


def measures(texts: Sequence[str], *, flag: str) -> dict[str, float]:
    """`--at-least` or `--at-most` values by measure: `("accuracy=0.9",)` → `{"accuracy": 0.9}`."""
    limits = {}
    for text in texts:
        name, value = _pair(text, flag=flag)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"{flag} {name} needs a number, not {value!r}", remedy=f"write {flag} {name}=0.9")
        limits[name] = float(value)
    return limits


def scalar(text: str) -> Any:
    """A value as TOML reads it (number, true, array, quoted text); what TOML cannot read, and dates, are text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = table["value"]
    return text if len(table) > 1 or isinstance(value, (datetime.date, datetime.time)) else value


def _pair(text: str, *, flag: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        example = "model.width=64" if flag == "--set" else "accuracy=0.9"
        raise UsageError(f"{flag} has no value in {text!r}", remedy=f"write key=value: {flag} {example}")
    return key.strip(), scalar(value.strip())


def _split(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for name in names for part in name.split(",") if part.strip())


def _cut(text: str) -> list[str]:
    """The pieces between commas that stand outside brackets: `[64,64],[128]` has two."""
    pieces, depth = [""], 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if sign == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    return [piece.strip() for piece in pieces if piece.strip()]
