"""Names in web text, from scratch: the recipe wnut17-lstm. Spans count when found exactly."""

from __future__ import annotations

from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main

NAME = "wnut17-lstm"


def measure(options: Options) -> list[Row]:
    """F1 over spans of the test part over seeds, and seconds of a training."""
    with workplace() as folder:
        runs = over_seeds(folder, 1, NAME, "--epochs", "1") if options.quick else over_seeds(folder, 3, NAME)
    return [
        Row("wnut17: span F1, test", [run.metric("span-f1") for run in runs], centre="mean", digits=4),
        Row("wnut17: accuracy of tags, test", [run.metric("accuracy") for run in runs], centre="mean", digits=4),
        Row("wnut17: whole command, imports included", [run.seconds for run in runs], "s"),
    ]


if __name__ == "__main__":
    main("Names in web text", measure)
