"""A training step of `sonde.scratch` (NumPy alone) against PyTorch eager and HIPS autograd, float32, the same batches and threads."""

from __future__ import annotations

from bench.race import Entry, race
from bench.table import Options, Row, main
from bench.timing import ratios

TORCH, SCRATCH, HIPS = "PyTorch eager", "sonde.scratch", "HIPS autograd"


def measure(options: Options) -> list[Row]:
    """The perceptron, LeNet and the GRU language model."""
    rounds = 1 if options.quick else options.rounds or 15
    out = []
    bare = {TORCH: Entry("bare", workers=1), SCRATCH: Entry("scratch_fit")}
    steps = 2 if options.quick else 40
    found = race(bare | {HIPS: Entry("hips_autograd", peer=True)}, network="mlp", examples=256 * steps, batch=256, rounds=rounds, peers=options.peers)
    for name, result in found.items():
        out.append(Row(f"MLP 784-256-10, batch 256: {name}", [s / steps * 1e3 for s in result.seconds], "ms/step"))
    out.append(Row("MLP: scratch over PyTorch", ratios(found[SCRATCH].seconds, found[TORCH].seconds), "×", at_most=1.0))
    if HIPS in found:
        out.append(Row("MLP: HIPS autograd over scratch", ratios(found[HIPS].seconds, found[SCRATCH].seconds), "×", at_least=3.0))
    steps = 1 if options.quick else 6
    for network, form in (("lenet", "ReLU, max pooling"), ("lenet-original", "sigmoid, average pooling")):
        found = race(bare, network=network, examples=256 * steps, batch=256, rounds=rounds, peers=options.peers)
        for name, result in found.items():
            out.append(Row(f"LeNet ({form}), batch 256: {name}", [s / steps * 1e3 for s in result.seconds], "ms/step"))
        out.append(Row(f"LeNet ({form}): scratch over PyTorch", ratios(found[SCRATCH].seconds, found[TORCH].seconds), "×", at_most=4.5))
    recurrent = {"torch.nn.GRU": Entry("gru_model"), SCRATCH: Entry("gru_model", workers=1)}
    found = race(recurrent, network="gru", examples=32 * steps, batch=32, rounds=rounds, peers=options.peers)
    for name, result in found.items():
        out.append(Row(f"GRU language model, 35 × 32, hidden 256: {name}", [s / steps * 1e3 for s in result.seconds], "ms/step"))
    out.append(Row("GRU: scratch over torch.nn.GRU", ratios(found[SCRATCH].seconds, found["torch.nn.GRU"].seconds), "×", at_most=2.0))
    return out


if __name__ == "__main__":
    main("Steps on NumPy alone", measure)
