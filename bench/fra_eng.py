"""English to French, the 100,000 shortest pairs, split by English sentence: corpus BLEU of a Transformer and of GRUs with attention on 2,000 held-out pairs.

BLEU is sacreBLEU's with its defaults, on the French as it was published (capitals, marks and spaces included), with four beams.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import train, workplace
from bench.table import Options, Row, main

RECIPES = {"fra-eng-transformer": 35.0, "fra-eng-gru-attention": None}
QUICK = ("--set", "data.shortest=600", "--epochs", "1", "--test", "50", "--validation", "50", "--set", "task.beam=1")


def measure(options: Options) -> list[Row]:
    """BLEU, perplexity and minutes of both."""
    data("fra_eng")
    rows = []
    for name, floor in RECIPES.items():
        with workplace() as folder:
            run = train(folder, name, *(QUICK if options.quick else ()), before=options.runs)
        rows += [
            Row(f"{name}: corpus BLEU on held-out pairs", [run.metric("bleu")], at_least=floor),
            Row(f"{name}: perplexity a word, held out", [run.metric("perplexity")]),
            Row(f"{name}: whole command", [run.seconds / 60], "min"),
        ]
    return rows


if __name__ == "__main__":
    main("Translating Tatoeba's shortest pairs, English to French", measure)
