"""Parameters and multiply-adds of all models, counted once for each version of the code and kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from sonde import models
from sonde.cost.account import count
from sonde.cost.source import find
from sonde.data.readers.cache import cache_folder, kept
from sonde.errors import SondeError

# What a count depends on: the models, what they are built of, and how is counted.
AREAS = ("models", "nn", "ops", "cost")


def _file() -> str:
    """The cache file's name: another one when a line of the code has changed."""
    digest = hashlib.sha256(torch.__version__.encode())
    for area in AREAS:
        for file in sorted((Path(models.__file__).parents[1] / area).rglob("*.py")):
            digest.update(file.read_bytes())
    return f"counts/{digest.hexdigest()[:16]}.json"


def is_known() -> bool:
    """Whether this version has been counted."""
    return (cache_folder() / _file()).exists()


def catalogue() -> dict[str, tuple[int | None, int | None]]:
    """Model → (parameters, multiply-adds of one example, forward), each at its usual sizes; None where it has no usual sizes. Ten seconds, once."""

    def write(path: Path) -> None:
        path.write_text(json.dumps({name: _count(name) for name in models.MODELS}), encoding="utf-8")

    found = json.loads(kept(_file(), write).read_text(encoding="utf-8"))
    return {name: (parameters, multiply_adds) for name, (parameters, multiply_adds) in found.items()}


def _count(name: str) -> tuple[int | None, int | None]:
    try:
        return count(find(name))
    except SondeError:  # one that reads more than a shape says should not hide the others
        return None, None
