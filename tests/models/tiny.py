"""The smallest sensible values of any model's Config, so that every architecture can be tried in a moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from sonde import models

# What the fields of a Config are set to, so that the model is tiny and every part of it is still there.
TINY: dict[str, Any] = {
    "channels": 2,
    "size": 16,
    "classes": 3,
    "numbers": 5,
    "categories": (3, 4),
    "outputs": 3,
    "width": 8,
    "widths": (8, 16, 16),
    "scale": 1 / 16,
    "dropout": 0.0,
    "depth": 1,
    "vocabulary": 7,
    "hidden": 8,
    "layers": 1,
    "heads": 2,
    "length": 8,
    "buckets": 16,
    "pyramid_width": 8,
}


def tiny(name: str) -> dict[str, Any]:
    """Values of the fields that model `name` has; stages of one block each, and pictures of the smallest size where 16 pixels are too few."""
    variant, values = models.module(name).VARIANTS[name], {}
    for field in dataclasses.fields(variant):
        default = getattr(variant, field.name)
        if field.name == "blocks":
            values["blocks"] = (1,) * len(default) if isinstance(default, tuple) else 1
        elif field.name == "widen":
            values["widen"] = min(default, 2)
        elif field.name == "outputs" and default > 1:
            values["outputs"] = default  # a Config that fixes how many outputs there are is obeyed
        elif field.name in TINY:
            values[field.name] = TINY[field.name]
    if getattr(variant, "per", None) == "token":  # the outputs are tokens themselves
        values["outputs"] = TINY["vocabulary"]
    if "size" in values:
        values["size"] = max(values["size"], models.smallest(name, values))
    return values


def one_of_each(names: Iterable[str] = tuple(models.MODELS)) -> list[str]:
    """Of these models one name for each architecture that is left once all are tiny."""
    seen: dict[tuple[str, str], str] = {}
    for name in names:
        seen.setdefault((models.MODELS[name], repr(models.config(name, tiny(name)))), name)
    return list(seen.values())
