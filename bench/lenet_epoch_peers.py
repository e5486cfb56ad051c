"""One epoch of LeNet on MNIST, both forms, eager: Sonde's loop against the book's and against peers, in turns. Compiled: lenet_epoch_compiled.py.

Same network, batch 256, plain SGD, 2 threads, float32. Peers are given ready float arrays outside of the clock; the book reads one
PIL picture at a time, with the number of workers that is best for it; Sonde normalises its uint8 pictures in every step.
"""

from __future__ import annotations

from bench.race import Entry, Result, race
from bench.table import Options, Row, main
from bench.timing import ratios

BATCH = 256
EAGER = {
    "sonde": Entry("sonde_fit"),
    "book, 0 workers": Entry("book"),
    "book, 1 worker": Entry("book", workers=1),
    "book, 2 workers": Entry("book", workers=2),
    "keras, channels last": Entry("keras_fit", peer=True),
    "keras, channels first": Entry("keras_fit", peer=True, workers=1),
    "lightning": Entry("lightning_fit", peer=True),
    "skorch": Entry("skorch_fit", peer=True),
    "hf trainer": Entry("hf_trainer", peer=True),
    "accelerate": Entry("accelerate_loop", peer=True),
    "bare, DataLoader over tensors": Entry("bare", workers=2),
    "bare, resident float32": Entry("bare", workers=1),
    "bare, resident uint8": Entry("bare"),
}
# How many times as fast as a peer Sonde is to be; of several numbers of workers the best counts. Keras counts in its default memory
# order, and stands in the faster one beside it.
FLOORS: dict[str, float | None] = {
    "book": 2.7,
    "keras, channels last": 2.5,
    "keras, channels first": None,
    "lightning": 1.6,
    "skorch": 1.5,
    "hf trainer": 1.5,
    "accelerate": 1.4,
}


def best(results: dict[str, Result], peer: str) -> str | None:
    """The fastest form of a peer, by its median."""
    forms = [name for name in results if name.startswith(peer)]
    return min(forms, key=lambda name: sorted(results[name].seconds)[len(results[name].seconds) // 2], default=None)


def rows(network: str, results: dict[str, Result], *, examples: int, floors: dict[str, float | None], compiled: bool) -> list[Row]:
    """Speeds of all, then Sonde's ratio to each peer."""
    form = f"{network}, {'compiled' if compiled else 'eager'}"
    out = []
    for name, result in results.items():
        beside = f", compiling took {result.first - min(result.seconds):.0f} s" if compiled else ""
        out.append(
            Row(f"{form}: {name} (last loss {result.loss:.2f}{beside})", [examples / seconds for seconds in result.seconds], "examples/s")
        )
    for peer in FLOORS:
        fastest = best(results, peer)
        if fastest is not None:
            speeds = ratios(results[fastest].seconds, results["sonde"].seconds)
            out.append(Row(f"{form}: sonde over {fastest}", speeds, "×", at_least=floors.get(peer)))
    return out


def measure(options: Options) -> list[Row]:
    """Both forms of LeNet."""
    examples, rounds = (1_024, 1) if options.quick else (options.examples or 60_000, options.rounds or 7)
    out = []
    for network in ("lenet-original",) if options.quick else ("lenet-original", "lenet"):
        found = race(EAGER, network=network, examples=examples, batch=BATCH, rounds=rounds, peers=options.peers)
        out += rows(network, found, examples=examples, floors=FLOORS, compiled=False)
    return out


if __name__ == "__main__":
    main("LeNet epoch on MNIST against peers", measure)
