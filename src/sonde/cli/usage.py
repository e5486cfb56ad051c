"""Mistakes on the command line, in the words of all our errors: what, where, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from cyclopts.exceptions import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from sonde.errors import UsageError, did_you_mean, nearest


def explain(error: CycloptsError, *, words: Sequence[str], commands: Iterable[str]) -> UsageError:
    """What was wrong with `words`, the command line."""
    command = error.command_chain[-1] if error.command_chain else None
    where = f"sonde {command}" if command else "sonde"
    see = f"`{where} --help` shows what it takes"
    match error:
        case UnknownCommandError():
            return _command((error.unused_tokens or list(words))[0], commands)
        case UnknownOptionError():
            name = (error.token.keyword or error.token.value).partition("=")[0]
            flags = [flag for argument in error.argument_collection for flag in argument.names if flag.startswith("--")]
            near = nearest(name.replace("_", "-"), flags if command else ("--help", "--version"))
            return UsageError(f"there is no flag {name}", where=where, remedy=f"did you mean {near}?" if near else see)
        case CoercionError(token=token, argument=argument) if token is not None and argument is not None:
            name = token.keyword or argument.name
            near = nearest(token.value, argument.get_choices() or ())
            meant = f"did you mean {near!r}? " if near else ""
            return UsageError(f"{name} cannot be {token.value!r}", where=where, remedy=f"{meant}{name} takes {_kinds(argument.hint)}")
        case MissingArgumentError(argument=argument) if argument is not None:
            name = error.keyword or argument.name
            return UsageError(f"{name} has no value" if name.startswith("-") else f"{name} is missing", where=where, remedy=see)
        case RepeatArgumentError():
            return UsageError(f"{error.token.keyword} is given more than once", where=where, remedy="give it once")
        case UnusedCliTokensError():
            first = (error.unused_tokens or [""])[0]
            return UsageError(
                f"{first!r} is one argument too many", where=where, remedy=f"lists of names go with commas: --drop Id,Name; {see}"
            )
    return UsageError(str(error), where=where, remedy=see)


def _kinds(hint: Any) -> str:
    """What a type takes, for people: `int | Literal["auto"] | None` → "a whole number, auto"."""
    kinds = {int: "a whole number", float: "a number", bool: "true, false", str: "text", type(None): ""}
    if hint in kinds:
        return kinds[hint]
    parts = [_kinds(part) if part is not Ellipsis and not isinstance(part, str) else str(part) for part in get_args(hint)]
    return ", ".join(part for part in parts if part)


def _command(word: str, commands: Iterable[str]) -> UsageError:
    """A first word that is no command: perhaps what to train on."""
    from sonde.recipes import RECIPES

    if word.startswith("-"):
        return UsageError(
            f"there is no flag {word} before the command", where="sonde", remedy="write the command first; `sonde --help` lists them"
        )
    if os.path.exists(word) or word in RECIPES:
        return UsageError(f"there is no command {word!r}", where="sonde", remedy=f"to train on it: sonde train {word}")
    return UsageError(f"there is no command {word!r}", where="sonde", remedy=did_you_mean(word, commands))
