"""Random pairs of sentences of 10 tokens, as numbers and as text, and the sizes of the Transformer that is trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

WIDTH, LAYERS, HEADS, HIDDEN, DROPOUT, LR = 32, 2, 4, 64, 0.1, 0.001
STEPS, WORDS, SPECIALS, END = 10, 200, 4, 3


def _words(examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Word numbers: sources (example, 10), and targets (example, 9), which an end follows."""
    generator = np.random.default_rng(0)
    source = generator.integers(WORDS, size=(examples, STEPS))
    return source, (source[:, : STEPS - 1] + generator.integers(2, size=(examples, STEPS - 1))) % WORDS


def numbered(examples: int) -> tuple[Tensor, Tensor, int]:
    """Sources and targets (example, 10), and how many numbers there are."""
    source, target = (torch.from_numpy(part + SPECIALS) for part in _words(examples))
    return source, torch.cat([target, torch.full((examples, 1), END)], dim=1), WORDS + SPECIALS


def written(examples: int, path: Path) -> None:
    """The same sentences as a file of two columns; every word stands for one number."""
    source, target = (["\u0020".join(f"w{word}" for word in row) for row in part] for part in _words(examples))
    path.write_text("".join(f"{one}\t{other}\n" for one, other in zip(source, target, strict=True)), encoding="utf-8")
