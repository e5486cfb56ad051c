"""Random documents of two sentences, 30 and 31 pieces with their full stops, as text and as numbers, and the sizes of the BERT trained on them.

Words are Chinese characters, each of which BERT reads as one piece, so that text and numbers have the same vocabulary and rows are 64 long.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

WIDTH, LAYERS, HEADS, HIDDEN, DROPOUT, LR, LENGTH = 128, 2, 2, 256, 0.1, 1e-3, 64
WORDS, SPECIALS, FIRST, STOP = 20_000, 5, 0x4E00, "。"
VOCABULARY = SPECIALS + 1 + WORDS
SENTENCES = (29, 30)  # characters
MASKED = 10  # places a row that the book foretells: 15 % of 64


def written(examples: int, path: Path) -> None:
    """A document an example: two lines, and a blank one after them."""
    draw = np.random.default_rng(0)
    lines = []
    for _ in range(examples):
        lines += ["".join(chr(FIRST + word) for word in draw.integers(WORDS, size=count)) + STOP for count in SENTENCES]
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")


def numbered(examples: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Tokens (example, 64), segments (example, 64), masked places (example, 10), what stood there, and next or not (example,)."""
    draw = np.random.default_rng(0)
    tokens = torch.from_numpy(draw.integers(SPECIALS + 1, VOCABULARY, size=(examples, LENGTH)))
    segments = (torch.arange(LENGTH) > SENTENCES[0] + 2).long().repeat(examples, 1)
    places = torch.from_numpy(np.stack([np.sort(draw.permutation(LENGTH - 2)[:MASKED]) + 1 for _ in range(examples)]))
    words = tokens.gather(1, places)
    tokens = tokens.scatter(1, places, 4)
    return tokens, segments, places, words, torch.from_numpy(draw.integers(2, size=examples))
