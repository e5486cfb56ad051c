"""Reading a task's options: wrong values are refused with what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sonde.errors import RecipeError, did_you_mean


def choice(options: dict[str, Any], key: str, known: Sequence[str], *, default: str) -> str:
    """One of `known`. Raises RecipeError that names the nearest one."""
    value = options.get(key, default)
    if value not in known:
        what = f"task.{key} = {value!r} is not one of {', '.join(known)}"
        raise RecipeError(what, where="task.options", remedy=did_you_mean(str(value), known))
    return str(value)


def share(options: dict[str, Any], key: str, *, default: float) -> float:
    """A number of at least 0 and under 1. Raises RecipeError."""
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        what = f"task.{key} = {value!r} is not a number from 0 to under 1"
        raise RecipeError(what, where="task.options", remedy=f"for example --set task.{key}=0.1")
    return float(value)


def count(options: dict[str, Any], key: str, *, default: int) -> int:
    """A whole number of at least 1. Raises RecipeError."""
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        what = f"task.{key} = {value!r} is not a whole number of at least 1"
        raise RecipeError(what, where="task.options", remedy=f"for example --set task.{key}={default}")
    return value


def flag(options: dict[str, Any], key: str, *, default: bool) -> bool:
    """True or false. Raises RecipeError."""
    value = options.get(key, default)
    if not isinstance(value, bool):
        what = f"task.{key} = {value!r} is neither true nor false"
        raise RecipeError(what, where="task.options", remedy=f"for example --set task.{key}={str(not default).lower()}")
    return value
