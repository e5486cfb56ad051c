"""Tiny Shakespeare by characters within 15 minutes; measured on the last 10 %. One training."""

from __future__ import annotations

from math import log

from bench.machine import data
from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Nats a character on the held-out end, and what the whole command took."""
    data("tiny_shakespeare")
    quick = ("--epochs", "1", "--set", "model.width=16") if options.quick else ()
    with workplace() as folder:
        runs = over_seeds(folder, 1, "shakespeare-lstm", *quick)
    return [
        Row("tiny Shakespeare: nats a character, train", [log(run.metric("character-perplexity", "train")) for run in runs], digits=4),
        Row("tiny Shakespeare: nats a character, last 10 %", [log(run.metric("character-perplexity")) for run in runs], at_most=1.60, digits=4),
        Row("tiny Shakespeare: whole command", [run.seconds / 60 for run in runs], "min", at_most=15.0),
    ]


if __name__ == "__main__":
    main("Tiny Shakespeare, characters", measure)
