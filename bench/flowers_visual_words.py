"""Flowers, 300 training photographs: visual words and an SVM against a small network from the same start, three seeds each."""

from __future__ import annotations

from bench.machine import data
from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Validation accuracy (the publisher's 75 pictures, by which nothing is chosen here) and time of both."""
    data("flowers")
    seeds, shorter = (1, ("--epochs", "1")) if options.quick else (3, ())
    with workplace() as folder:
        words = over_seeds(folder, seeds, "visual-words-flowers")
        network = over_seeds(folder, seeds, "flowers", "--model", "resnet20", "--size", "64", *shorter)
    rows = []
    for name, runs in (("visual words and an SVM", words), ("resnet20 at 64×64, no public weights", network)):
        scores = [run.metric("accuracy", "validation") for run in runs]
        rows.append(Row(f"flowers, {name}: accuracy", scores, centre="mean", digits=4))
        rows.append(Row(f"flowers, {name}: whole command", [run.seconds for run in runs], "s"))
    return rows


if __name__ == "__main__":
    main("Flowers before deep learning", measure)
