"""Inputs for pairs: random ones of a shape, and those that break what is nearly right."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

Array = np.ndarray


def draw(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Array:
    """Normal numbers, the same for the same name and shape."""
    seed = zlib.crc32(f"{name}{shape}".encode())
    return scale * np.random.default_rng(seed).normal(size=shape)


def draws(scale: float = 1.0, /, **shapes: tuple[int, ...]) -> dict[str, Array]:
    """Normal numbers by name: draws(x=(2, 3), weight=(4, 3))."""
    return {name: draw(name, shape, scale) for name, shape in shapes.items()}


def whole(name: str, shape: tuple[int, ...], below: int) -> Array:
    """Whole numbers 0 … below − 1."""
    seed = zlib.crc32(f"{name}{shape}".encode())
    return np.random.default_rng(seed).integers(below, size=shape)


def tied(name: str, shape: tuple[int, ...], levels: int = 3) -> Array:
    """Whole numbers as floating point, so that many are equal."""
    return whole(name, shape, levels).astype(np.float64)


def chosen(inputs: Mapping[str, object], prefix: str) -> dict[str, object]:
    """The inputs under `prefix.`, without it: weights of a layer that travel among the inputs of a case."""
    return {name.removeprefix(f"{prefix}."): value for name, value in inputs.items() if name.startswith(f"{prefix}.")}
