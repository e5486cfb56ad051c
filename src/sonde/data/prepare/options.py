"""The task's options that decide how examples are cut."""

from __future__ import annotations

from typing import Any

from sonde.errors import RecipeError


def positive(options: dict[str, Any], name: str, *, default: int) -> int:
    """A whole number of at least 1. Raises RecipeError."""
    value = options.get(name, default)
    return _whole(value, name, least=1, example=default)


def natural(options: dict[str, Any], name: str, *, default: int = 0) -> int:
    """A whole number of at least 0. Raises RecipeError."""
    return _whole(options.get(name, default), name, least=0, example=default or 1)


def _whole(value: Any, name: str, *, least: int, example: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        remedy = f"for example --set task.{name}={example}"
        raise RecipeError(f"task.{name} = {value!r} is not a whole number of at least {least}", where="task.options", remedy=remedy)
    return value
