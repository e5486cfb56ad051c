"""One epoch of LeNet on MNIST, both forms, compiled: Sonde against the peers that can be, in turns; what compiling took stands beside.

As lenet_epoch_peers.py has it, without a floor. The book's loop compiles its network, as the peers do; Sonde and the bare loop the whole step.
"""

from __future__ import annotations

from bench.lenet_epoch_peers import BATCH, EAGER, rows
from bench.race import Entry, race
from bench.table import Options, Row, main

FORMS = ("sonde", "book, 0 workers", "keras, channels first", "lightning", "skorch", "hf trainer", "accelerate", "bare, resident uint8")
COMPILED = {name: Entry(EAGER[name].file, peer=EAGER[name].peer, workers=EAGER[name].workers, compile=True) for name in FORMS}


def measure(options: Options) -> list[Row]:
    """Both forms of LeNet."""
    examples, rounds = (1_024, 1) if options.quick else (options.examples or 60_000, options.rounds or 7)
    out = []
    for network in ("lenet-original",) if options.quick else ("lenet-original", "lenet"):
        found = race(COMPILED, network=network, examples=examples, batch=BATCH, rounds=rounds, peers=options.peers)
        out += rows(network, found, examples=examples, floors={}, compiled=True)
    return out


if __name__ == "__main__":
    main("LeNet epoch on MNIST, compiled against compiled", measure)
