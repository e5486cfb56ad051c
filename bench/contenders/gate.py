"""How a contender is told to run an epoch, and how it says how long that took.

The parent writes one line to standard input for each epoch and reads one JSON line back. Whatever a library prints goes to
standard error. Loops that belong to a library call `begin` and `end` from its callbacks, so they stand still in between.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass

NETWORKS = ("lenet", "lenet-original", "mlp", "resnet18", "resnet18-224", "resnet50-224", "rnn", "gru", "lstm", "transformer", "bert", "bert-plain")


@dataclass(frozen=True)
class Settings:
    """What all contenders have in common. `network`: lenet (ReLU, max pooling), lenet-original (sigmoid, average pooling), mlp
    (784-256-10), resnet18 (one colour, 96×96), resnet18-224 and resnet50-224 (three colours, 224×224, torchvision's where it is not
    Sonde's), gru, transformer or bert (`bert-plain`: without dropout). `precision` as in recipes: float32 or bf16."""

    network: str
    examples: int
    batch: int
    lr: float
    compile: bool
    workers: int
    device: str
    precision: str


def settings() -> Settings:
    """The command line of every contender."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=NETWORKS, default="lenet")
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    return Settings(**vars(parser.parse_args()))


class Gate:
    """The contender's side of the pipe."""

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._started = 0.0

    def begin(self) -> None:
        """Wait until the next epoch is asked for, then start the clock. Leaves when the parent has had enough."""
        if not sys.stdin.readline():
            os._exit(0)
        self._started = time.perf_counter()

    def end(self, loss: float) -> None:
        """Stop the clock and answer with it and the epoch's mean training loss (to see that everybody really learns)."""
        seconds = time.perf_counter() - self._started
        self._answers.write(json.dumps({"seconds": seconds, "loss": loss}) + "\n")
        self._answers.flush()
