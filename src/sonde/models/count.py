"""Parameters of a model, counted without making it."""

from __future__ import annotations

from typing import Any

import torch

from sonde import models


def parameters(name: str, table: dict[str, Any]) -> int:
    """How many numbers `name` learns with `table`'s sizes. Raises RecipeError for what does not exist."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in models.build(name, table).parameters())
