"""A GRU language model, 28 characters, width and hidden size 256, 35 steps: in PyTorch, or with `--workers 1` in `sonde.scratch`.

`--examples` counts sequences. The characters are random: the speed does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench.contenders.gate import Gate, settings
from sonde.scratch import models
from sonde.scratch.losses import cross_entropy
from sonde.scratch.optimisers import SGD

VOCABULARY, WIDTH, STEPS = 28, 256, 35
Step = Callable[[np.ndarray, np.ndarray], float]


class Model(nn.Module):
    """Embedding, torch.nn.GRU, output."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.output = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (batch, step, character)."""
        logits: torch.Tensor = self.output(self.gru(self.embedding(tokens))[0])
        return logits


def in_torch(lr: float) -> Step:
    """One update by PyTorch."""
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def step(x: np.ndarray, y: np.ndarray) -> float:
        value = functional.cross_entropy(model(torch.from_numpy(x)).flatten(0, 1), torch.from_numpy(y).flatten())
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(value.detach())

    return step


def in_scratch(lr: float) -> Step:
    """One update by NumPy."""
    model = models.gru_language_model(VOCABULARY, width=WIDTH, hidden=WIDTH)
    weights, optimiser = model.weights(np.random.default_rng(0), np.float32), SGD(lr)

    def step(x: np.ndarray, y: np.ndarray) -> float:
        total, count = cross_entropy(model.forward(weights, x), y)
        for w in weights.values():
            w.grad = None
        (total / count).backward()
        optimiser.step(weights)
        return total.item() / count

    return step


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    tokens = np.random.default_rng(0).integers(VOCABULARY, size=(given.examples, STEPS + 1))
    step = in_scratch(given.lr) if given.workers else in_torch(given.lr)
    while True:
        gate.begin()
        losses = [step(part[:, :-1].copy(), part[:, 1:].copy()) for part in np.split(tokens, given.examples // given.batch)]
        gate.end(sum(losses) / len(losses))


if __name__ == "__main__":
    main()
