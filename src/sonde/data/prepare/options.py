"""The task's options that decide how examples are cut."""

from __future__ import annotations

from typing import Any

from sonde.errors import RecipeError


def positive(options: dict[str, Any], name: str, *, default: int) -> int:
    """A whole number of at least 1. Raises RecipeError."""
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        remedy = f"for example --set task.{name}={default}"
        raise RecipeError(f"task.{name} = {value!r} is not a whole number of at least 1", where="task.options", remedy=remedy)
    return value
