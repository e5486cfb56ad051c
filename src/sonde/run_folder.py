"""The JSON files of a run folder, read without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sonde.errors import RunError

FORMAT = 1


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run folder; RunError where it is missing, damaged or of a newer format."""
    if not path.exists():
        raise RunError(
            f"there is no {path.name} here",
            where=str(path.parent),
            remedy="give the folder of a run that has finished, as `sonde runs` lists them",
        )
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"this file is damaged: {error}", where=str(path), remedy="train the run again from its recipe.toml") from None
    if not isinstance(value, dict):
        raise RunError("this file is damaged: it holds no table", where=str(path), remedy="train the run again from its recipe.toml")
    if value.get("format", FORMAT) > FORMAT:
        raise RunError(
            f"this run folder is of format {value['format']}; this Sonde reads up to {FORMAT}",
            where=str(path),
            remedy="install a newer Sonde",
        )
    return value
