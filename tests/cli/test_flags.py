"""Flags: read from the recipe, never listed by hand without a check; values as TOML reads them."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

import sonde
from sonde.cli import flags
from sonde.cli.main import COMMANDS, app, main, whole
from sonde.cli.train import train
from sonde.errors import UsageError
from sonde.recipe import FLAGS, field

CLI_ONLY = ["source", "set", "vary", "out", "resume", "json", "quiet"]
API_ONLY = ["source", "settings", "out", "resume", "listen"]


def plain(hint: Any) -> frozenset[Any]:
    """A type as the set of what it allows: no None, no constraints."""
    if get_origin(hint) is Annotated:
        return plain(get_args(hint)[0])
    if get_origin(hint) in (typing.Union, types.UnionType):
        return frozenset().union(*(plain(part) for part in get_args(hint)))
    return frozenset() if hint is type(None) else frozenset([hint])


def holds_whole_numbers(hint: Any) -> bool:
    """Whether an int stands anywhere in a type, a bool not counted."""
    return hint is int or any(holds_whole_numbers(part) for part in get_args(hint) if not isinstance(part, (str, int)))


def test_command_has_exactly_the_recipes_flags_in_its_order() -> None:
    names = list(inspect.signature(train).parameters)
    assert [name for name in names if name not in CLI_ONLY] == list(FLAGS)


def test_python_has_exactly_the_commands_flags_in_its_order() -> None:
    names = list(inspect.signature(sonde.train).parameters)
    assert [name for name in names if name not in API_ONLY] == list(FLAGS)


@pytest.mark.parametrize("name", FLAGS)
def test_flag_has_the_recipes_type_and_help(name: str) -> None:
    hint = typing.get_type_hints(train, include_extras=True)[name]
    assert plain(hint) == plain(field(name).annotation)
    parameter = get_args(hint)[1]
    assert parameter == flags.flag(name)
    assert field(name).description in parameter.help


@pytest.mark.parametrize("name", FLAGS)
def test_python_flag_has_the_recipes_type(name: str) -> None:
    hints = typing.get_type_hints(sonde.train, localns={"Run": object})
    allowed = plain(field(name).annotation)
    if tuple[str, ...] in allowed:  # in Python any sequence of names will do, and one name alone
        allowed = (allowed - {tuple[str, ...]}) | {str, Sequence[str]}
    assert plain(hints[name]) == allowed


@pytest.mark.parametrize("function", [train, sonde.train])
def test_not_given_means_none(function: Any) -> None:
    parameters = inspect.signature(function).parameters
    assert all(parameters[name].default is None for name in [*FLAGS, "out", "resume"])
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in FLAGS)


def test_help_shows_a_default_where_the_recipe_has_one() -> None:
    assert flags.flag("momentum").help == "β of v ← βv + g [default: 0.9]"
    assert flags.flag("seed").help == "same seed, same result"
    assert "default" not in (flags.flag("task").help or "").replace("(default: inferred from the data)", "")


def test_given_splits_lists_at_commas() -> None:
    values = {"drop": ("Id, Name", "Age"), "id": "a,b", "lr": None, "json": True, "epochs": 3}
    assert flags.given(values) == {"drop": ("Id", "Name", "Age"), "id": "a,b", "epochs": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64), ("0.5", 0.5), ("1e-3", 1e-3), ("true", True), ("log", "log"), ("[64, 32]", [64, 32]), ('"8"', "8"),
        ("2021-01-26", "2021-01-26"), ("a b", "a b"), ("1\nb = 2", "1\nb = 2"), ("", ""), ("[1", "[1"),
    ],
)  # fmt: skip
def test_values_are_read_as_toml_or_else_as_text(text: str, value: Any) -> None:
    assert flags.scalar(text) == value


@cases(st.text())
def test_any_value_is_read(text: str) -> None:
    flags.scalar(text)


def test_settings() -> None:
    assert flags.settings(("model.width=64", "task.transform = log", "model.widths=[1, 2]")) == {
        "model.width": 64, "task.transform": "log", "model.widths": [1, 2],
    }  # fmt: skip


@pytest.mark.parametrize("text", ["model.width", "=3", "model.width="])
def test_settings_without_a_value_say_how(text: str) -> None:
    with pytest.raises(UsageError, match="--set has no value") as caught:
        flags.settings((text,))
    assert caught.value.remedy == "write key=value: --set model.width=64"


def test_variations() -> None:
    assert flags.variations("model.width=8,32") == ("model.width", [8, 32])
    assert flags.variations("lr=0.1,auto") == ("optim.lr", [0.1, "auto"])
    assert flags.variations("batch-size=16") == ("training.batch_size", [16])
    assert flags.variations("model.width=[64,64],[128]") == ("model.width", [[64, 64], [128]])
    with pytest.raises(UsageError, match="--vary has no value in 'lr'"):
        flags.variations("lr")


def test_measures_must_be_numbers() -> None:
    assert flags.measures(("accuracy=0.9", "macro-f1=1"), flag="--at-least") == {"accuracy": 0.9, "macro-f1": 1.0}
    with pytest.raises(UsageError, match="--at-least accuracy needs a number, not 'high'"):
        flags.measures(("accuracy=high",), flag="--at-least")
    with pytest.raises(UsageError, match="--at-most has no value in 'rmse'"):
        flags.measures(("rmse",), flag="--at-most")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_rounds_a_fraction(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = app()[name].assemble_argument_collection()
    needed = ["x" for argument in arguments if argument.required]
    asked = [argument for argument in arguments if holds_whole_numbers(argument.hint)]
    assert asked or name not in ("train", "predict", "data", "cost", "systolic", "style")
    for argument in asked:
        flag = next(word for word in argument.names if word.startswith("--"))
        for text in ("2.5", "1e-1", "inf"):
            assert main([name, *needed, flag, text]) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert err == f"error: sonde {name}: {flag} cannot be '{text}'\n  → {flag} takes a whole number\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-3", -3), ("+3", 3), ("007", 7), ("1_000", 1000), ("1e3", 1000), ("2.5e1", 25), ("3.0", 3), ("0xff", 255), (str(2**63), 2**63)],
)
def test_whole_numbers_may_be_written_in_any_way(text: str, value: int) -> None:
    assert whole(text) == value
    assert isinstance(whole(text), int)


@pytest.mark.parametrize("text", ["3.5", "-0.5", "1e-3", "1e400", "inf", "nan", "", "three", "3,0", "9007199254740993.0"])
def test_nothing_is_rounded_to_a_whole_number(text: str) -> None:
    with pytest.raises(ValueError):
        whole(text)


@cases(st.integers())
def test_every_whole_number_is_read_as_it_is(value: int) -> None:
    assert whole(str(value)) == value


def test_other_values_are_read_as_ever() -> None:
    words = "train digits --lr auto --validation 0.2 --test rows.csv --compile --no-trace --drop a,b --out runs/x --epochs 1e3"
    _, given, _ = app().parse_args(words.split(), exit_on_error=False, print_error=False)
    assert given.arguments == {
        "source": "digits", "lr": "auto", "validation": 0.2, "test": "rows.csv", "compile": True, "trace": False, "drop": ("a,b",),
        "out": Path("runs/x"), "epochs": 1000,
    }  # fmt: skip
