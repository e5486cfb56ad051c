"""Pre-training a small BERT on two books from nothing: recipe tiny-bert; masked words and next sentences of documents that were held out.

Documents are stretches of 300 words or more of one of the books. A second text that does not follow is that of an example of another document, which
may be one of the same book; how often it is of the other book stands beside, as that alone gives some accuracy.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import train, workplace
from bench.table import Options, Row, main

QUICK = ("--epochs", "1", "--set", "model.width=16", "--set", "model.layers=1")
MINUTES = 20.0
NEXT = 0.60
BOOKS = {"time_machine": "timemachine.txt", "tiny_shakespeare": "input.txt"}


def measure(options: Options) -> list[Row]:
    """Both accuracies, perplexity and minutes."""
    books = [(data(name) / file).stat().st_size for name, file in BOOKS.items()]
    with workplace() as folder:
        run = train(folder, "tiny-bert", *(QUICK if options.quick else ()))
    share = min(books) / sum(books)
    return [
        Row("next-sentence accuracy on held-out documents", [run.metric("next-accuracy")], at_least=None if options.quick else NEXT, digits=4),
        Row("… of telling the books apart alone", [0.5 + 0.5 * 2 * share * (1 - share)], digits=4),
        Row("masked-word accuracy on held-out documents", [run.metric("masked-accuracy")], digits=4),
        Row("perplexity of masked pieces", [run.metric("perplexity")]),
        Row("whole command", [run.seconds / 60], "min", at_most=None if options.quick else MINUTES),
    ]


if __name__ == "__main__":
    main("Pre-training a small BERT", measure)
