"""Adult: more than 50,000 dollars a year or not, three seeds, on the publisher's test file."""

from __future__ import annotations

from bench.machine import data
from bench.scores import SMALL, over_seeds, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Test accuracy."""
    data("adult")
    with workplace() as folder:
        runs = over_seeds(folder, 1, "adult-mlp", *SMALL) if options.quick else over_seeds(folder, 3, "adult-mlp")
    return [
        Row("Adult, mlp: test accuracy", [run.metric("accuracy") for run in runs], at_least=0.853, centre="mean", digits=4),
        Row("Adult, mlp: whole command", [run.seconds for run in runs], "s"),
    ]


if __name__ == "__main__":
    main("Adult", measure)
