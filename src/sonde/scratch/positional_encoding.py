"""Sinusoidal positional encoding (Vaswani et al. 2017, "Attention is all you need", section 3.5).

    P[i, 2j] = sin(i ωⱼ),   P[i, 2j+1] = cos(i ωⱼ),   ωⱼ = 10000^(−2j/d)

Each pair of columns is a hand that turns by ωⱼ a position, so a shift by δ is a rotation by δωⱼ, whatever i is:
P[i+δ] = P[i] R(δ). A linear layer can therefore learn to look at what stands δ places away.
"""

from __future__ import annotations

import numpy as np

BASE = 10_000.0


def positional_encoding(length: int, width: int, *, start: int = 0, dtype: type = np.float64) -> np.ndarray:
    """P of positions start … start+length−1, shape (length, width). An odd width ends with a sine."""
    angle = np.arange(start, start + length)[:, None] * _frequencies((width + 1) // 2, width)  # (length, ⌈width/2⌉)
    pairs = np.stack([np.sin(angle), np.cos(angle)], axis=-1)  # (length, ⌈width/2⌉, 2)
    return pairs.reshape(length, 2 * pairs.shape[1])[:, :width].astype(dtype)


def rotation(shift: int, width: int) -> np.ndarray:
    """R(δ), shape (width, width) for an even width: positional_encoding at i+δ is that at i times R(δ)."""
    if width % 2:
        raise ValueError(f"a shift is a rotation of pairs of columns, and a width of {width} leaves one without its pair")
    angle = shift * _frequencies(width // 2, width)
    matrix, even = np.zeros((width, width)), np.arange(0, width, 2)
    matrix[even, even] = matrix[even + 1, even + 1] = np.cos(angle)
    matrix[even + 1, even], matrix[even, even + 1] = np.sin(angle), -np.sin(angle)
    return matrix


def _frequencies(pairs: int, width: int) -> np.ndarray:
    return BASE ** (-2 * np.arange(pairs) / width)
