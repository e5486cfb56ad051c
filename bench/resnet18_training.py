"""ResNet-18 on 1×96×96 pictures, batch 128: Sonde's loop against the plain eager loop and Keras on PyTorch, in turns.

Sonde chooses the memory order of the pictures by itself; the plain loop stands there in both.
"""

from __future__ import annotations

from bench.race import Entry, race
from bench.table import Options, Row, main
from bench.timing import ratios

BATCH = 128
ENTRIES = {
    "sonde": Entry("sonde_fit"),
    "plain loop": Entry("bare", workers=1),
    "plain loop, channels last": Entry("bare", workers=3),
    "keras, channels last": Entry("keras_fit", peer=True),
    "keras, channels first": Entry("keras_fit", peer=True, workers=1),
}
FLOORS = {"plain loop": 1.05, "plain loop, channels last": None, "keras, channels last": 1.5, "keras, channels first": None}


def measure(options: Options) -> list[Row]:
    """Examples a second of all, then Sonde's ratio to each."""
    examples, rounds = (128, 1) if options.quick else (options.examples or 512, options.rounds or 7)
    found = race(ENTRIES, network="resnet18", examples=examples, batch=BATCH, rounds=rounds, peers=options.peers)
    speeds = [
        Row(f"{name} (last loss {result.loss:.2f})", [examples / seconds for seconds in result.seconds], "examples/s")
        for name, result in found.items()
    ]
    return speeds + [
        Row(f"sonde over {name}", ratios(found[name].seconds, found["sonde"].seconds), "×", at_least=floor)
        for name, floor in FLOORS.items()
        if name in found
    ]


if __name__ == "__main__":
    main("ResNet-18 on 1×96×96 pictures, training", measure)
