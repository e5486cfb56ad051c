"""What the loop costs beside the arithmetic: a 784-256-10 perceptron, batches of 256 and 16, against a bare hand-written loop on the same arrays.

Both hold uint8 pictures in memory. Sonde's step also sums loss and accuracy, watches gradients and emits events.
"""

from __future__ import annotations

from bench.race import Entry, race
from bench.table import Options, Row, main
from bench.timing import ratios

ENTRIES = {
    "bare, uint8": Entry("bare"),
    "bare, float32 ready made": Entry("bare", workers=1),
    "sonde": Entry("sonde_fit"),
    "sonde, compiled": Entry("sonde_fit", compile=True),
    "bare, whole step compiled": Entry("bare", compile=True),
}
PEERS = {
    "accelerate": Entry("accelerate_loop", peer=True),
    "skorch": Entry("skorch_fit", peer=True),
    "hf trainer": Entry("hf_trainer", peer=True),
    "lightning": Entry("lightning_fit", peer=True),
    "keras": Entry("keras_fit", peer=True, workers=1),
}


def measure(options: Options) -> list[Row]:
    """Both batch sizes."""
    out = []
    for batch in (256, 16):
        examples = batch * (4 if options.quick else 200 if batch == 256 else 1_000)
        rounds = 1 if options.quick else options.rounds or 15
        results = race(ENTRIES | PEERS, network="mlp", examples=examples, batch=batch, rounds=rounds, peers=options.peers)
        steps = examples // batch
        for name, result in results.items():
            out.append(Row(f"batch {batch}: {name}", [seconds / steps * 1e6 for seconds in result.seconds], "µs/step"))
        bare = results["bare, uint8"].seconds
        out.append(Row(f"batch {batch}: sonde / bare", ratios(results["sonde"].seconds, bare), "×", at_most=1.05))
        out.append(Row(f"batch {batch}: sonde compiled / bare", ratios(results["sonde, compiled"].seconds, bare), "×", at_most=0.8))
    return out


if __name__ == "__main__":
    main("Cost of the loop, MLP 784-256-10", measure)
