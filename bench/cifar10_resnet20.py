"""CIFAR-10, resnet20, 8 epochs; measured on the publisher's test pictures. About 16 minutes on 2 cores."""

from __future__ import annotations

from bench.machine import data
from bench.scores import SMALL, over_seeds, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Test accuracy."""
    data("cifar10")
    with workplace() as folder:
        runs = over_seeds(folder, 1, "cifar10-resnet20", *(SMALL if options.quick else ("--epochs", "8")))
    return [
        Row(
            "CIFAR-10, resnet20, 8 epochs: test accuracy", [run.metric("accuracy") for run in runs], at_least=0.82, centre="mean", digits=4
        ),
        Row("CIFAR-10, resnet20: whole command", [run.seconds for run in runs], "s"),
    ]


if __name__ == "__main__":
    main("CIFAR-10 with resnet20", measure)
