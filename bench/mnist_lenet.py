"""MNIST, LeNet with ReLU and max pooling, 5 epochs, three seeds; measured on the publisher's test pictures."""

from __future__ import annotations

from bench.machine import data
from bench.scores import SMALL, over_seeds, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Test accuracy."""
    data("mnist")
    with workplace() as folder:
        runs = over_seeds(folder, 1, "mnist-lenet", *SMALL) if options.quick else over_seeds(folder, 3, "mnist-lenet", "--epochs", "5")
    return [
        Row("MNIST, lenet, 5 epochs: test accuracy", [run.metric("accuracy") for run in runs], at_least=0.990, centre="mean", digits=4),
        Row("MNIST, lenet: whole command", [run.seconds for run in runs], "s"),
    ]


if __name__ == "__main__":
    main("MNIST with LeNet", measure)
