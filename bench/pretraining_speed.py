"""A pre-training step of BERT, 2 layers of 128 columns, batches of 64 rows of 64 pieces: Sonde's loop against the textbook's and Transformers'.

Sonde draws pairs and masks anew in each epoch, and measures; the others have drawn them before. All use the same vocabulary of 20,006 pieces,
the same rates of dropout at the same places, and Adam.
"""

from __future__ import annotations

from bench.race import Entry, race
from bench.table import Options, Row, main
from bench.timing import ratios

BATCH = 64
ENTRIES = {
    "sonde": Entry("pretraining_sonde"),
    "book": Entry("pretraining_book"),
    "Transformers": Entry("pretraining_book", workers=1),
}
FLOORS = {"book": 1.25, "Transformers": None}


def measure(options: Options) -> list[Row]:
    """Examples a second of all, and Sonde's ratio to each."""
    examples, rounds = (BATCH, 1) if options.quick else (options.examples or 30 * BATCH, options.rounds or 7)
    found = race(ENTRIES, network="bert", examples=examples, batch=BATCH, rounds=rounds, peers=options.peers)
    rows = [
        Row(f"{name} (last loss {result.loss:.2f})", [examples / seconds for seconds in result.seconds], "examples/s")
        for name, result in found.items()
    ]
    return rows + [
        Row(f"sonde over {name}", ratios(found[name].seconds, found["sonde"].seconds), "×", at_least=None if options.quick else floor)
        for name, floor in FLOORS.items()
    ]


if __name__ == "__main__":
    main("A step of BERT's pre-training", measure)
