"""Captions from English to German (Multi30k, test 2016): the recipe for bigger machines, cut to a short run; its corpus BLEU is stated."""

from __future__ import annotations

from bench.machine import data
from bench.scores import train, workplace
from bench.table import Options, Row, main

SHORT = ("--epochs", "6", "--set", "model.width=128", "--set", "model.layers=2", "--set", "model.dropout=0.1", "--lr", "0.002", "--batch-size", "64")
QUICK = ("--set", "data.shortest=300", "--epochs", "1", "--set", "model.width=16", "--set", "task.beam=1", "--set", "task.longest=10")


def measure(options: Options) -> list[Row]:
    """BLEU, perplexity and minutes of the short run."""
    data("multi30k")
    with workplace() as folder:
        run = train(folder, "multi30k-transformer", *(QUICK if options.quick else SHORT))
    return [
        Row("corpus BLEU on the test captions, 2 layers of 128, 6 epochs", [run.metric("bleu")]),
        Row("perplexity a word", [run.metric("perplexity")]),
        Row("whole command", [run.seconds / 60], "min"),
    ]


if __name__ == "__main__":
    main("Translating captions, English to German", measure)
