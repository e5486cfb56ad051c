"""A Transformer of 2 layers and 32 columns on batches of 64 sentences of 10 tokens: Sonde's loop against the textbook's form and torch.nn.Transformer.

All drop out at the same places (torch.nn.Transformer between the two dense layers too), clip gradients and use Adam. Of compiled forms the
first epoch, compiling included, stands beside.
"""

from __future__ import annotations

from dataclasses import replace

from bench.contenders.sentences import STEPS
from bench.race import Entry, race
from bench.table import Options, Row, main
from bench.timing import ratios

BATCH = 64
EAGER = {
    "sonde": Entry("transformer_sonde"),
    "book": Entry("transformer_book"),
    "torch.nn.Transformer": Entry("transformer_book", workers=1),
}
FLOORS = {"book": 1.0, "torch.nn.Transformer": None}
COMPILED_FLOORS = {"book": 1.25, "torch.nn.Transformer": None, "book, compiled": None, "torch.nn.Transformer, compiled": None}


def measure(options: Options) -> list[Row]:
    """Target tokens a second of all, Sonde's ratio to each, and seconds of compiling."""
    examples, rounds = (2 * BATCH, 1) if options.quick else (options.examples or 100 * BATCH, options.rounds or 7)
    entries = dict(EAGER)
    if not options.eager:
        entries |= {f"{name}, compiled": replace(entry, compile=True) for name, entry in EAGER.items()}
    found = race(entries, network="transformer", examples=examples, batch=BATCH, rounds=rounds, peers=options.peers)
    rows = [
        Row(f"{name} (last loss {result.loss:.2f})", [examples * STEPS / seconds for seconds in result.seconds], "tokens/s")
        for name, result in found.items()
    ]
    for own, floors in (("sonde", FLOORS), ("sonde, compiled", COMPILED_FLOORS)):
        if own in found:
            rows += [
                Row(f"{own} over {name}", ratios(found[name].seconds, found[own].seconds), "×", at_least=floor)
                for name, floor in floors.items()
                if name in found
            ]
    return rows + [Row(f"{name}: first epoch", [result.first], "s") for name, result in found.items() if name.endswith("compiled")]


if __name__ == "__main__":
    main("Training a small Transformer", measure)
