"""The first minute: `sonde train` on the digits that come with the package, five seeds, as a user runs it."""

from __future__ import annotations

from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Test accuracy and seconds from command to prompt."""
    with workplace() as folder:
        runs = over_seeds(folder, 1, "--epochs", "1") if options.quick else over_seeds(folder, 5)
    return [
        Row("digits: test accuracy", [run.metric("accuracy") for run in runs], at_least=0.98, centre="mean", digits=4),
        Row("digits: whole command, imports included", [run.seconds for run in runs], "s", at_most=12.0),
    ]


if __name__ == "__main__":
    main("Digits, the default of sonde train", measure)
