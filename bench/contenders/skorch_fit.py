"""skorch's NeuralNetClassifier, its history kept, nothing validated or printed."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback

from bench.contenders.digits import prepared
from bench.contenders.gate import Gate, settings
from bench.contenders.networks import network

FOREVER = 1_000_000


class Clock(Callback):
    """Stands still between epochs."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def on_epoch_begin(self, net: Any, **given: Any) -> None:
        """Wait for the signal."""
        self.gate.begin()

    def on_epoch_end(self, net: Any, **given: Any) -> None:
        """Say how long it took."""
        rows = net.history[-1]["batches"]
        self.gate.end(sum(row["train_loss"] * row["train_batch_size"] for row in rows) / sum(row["train_batch_size"] for row in rows))


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    net = NeuralNetClassifier(
        network(given.network),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=given.lr,
        batch_size=given.batch,
        max_epochs=FOREVER,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        compile=given.compile,
        callbacks=[Clock(gate)],
    )
    net.fit(*prepared(given.examples))


if __name__ == "__main__":
    main()
