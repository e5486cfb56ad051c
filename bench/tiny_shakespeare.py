"""Tiny Shakespeare by characters within 15 minutes; measured on the last 10 %. One training each.

A network and counts err in different places: the LSTM, a Kneser–Ney 6-gram, and both mixed as `sonde evaluate --mix` does it, with the weights by
which the validation part is likeliest. What is required is required of the mixture, its time is that of all three commands.
"""

from __future__ import annotations

import json
import time
from math import log

from bench.machine import data, sonde
from bench.scores import train, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Nats a character on the held-out end, and what the whole commands took."""
    data("tiny_shakespeare")
    quick = ("--epochs", "1", "--set", "model.width=16") if options.quick else ()
    with workplace() as folder:
        lstm = train(folder, "shakespeare-lstm", *quick, before=options.runs)
        counted = train(folder, "shakespeare-ngram", *(("--set", "model.order=2") if options.quick else ()))
        started = time.perf_counter()
        found = json.loads(sonde("evaluate", str(lstm.run), "--mix", str(counted.run), "--json", folder=folder).stdout)
        mixing = time.perf_counter() - started
    rows = []
    for name, run in (("LSTM", lstm), ("6-gram", counted)):
        for part, words in (("train", "train"), ("validation", "validation"), ("test", "last 10 %")):
            rows.append(Row(f"{name}: nats a character, {words}", [log(run.metric("character-perplexity", part))], digits=4))
        rows.append(Row(f"{name}: whole command", [run.seconds / 60], "min"))
    return [
        *rows,
        Row("weight of the LSTM in the mixture", [found["runs"][0]["weight"]]),
        Row("mixed: nats a character, last 10 %", [log(found["metrics"]["character-perplexity"])], at_most=1.60, digits=4),
        Row("all three commands", [(lstm.seconds + counted.seconds + mixing) / 60], "min", at_most=15.0),
    ]


if __name__ == "__main__":
    main("Tiny Shakespeare, characters", measure)
