"""ResNet-18 on 1×96×96 pictures, batch 128: Sonde's loop against the plain eager loop and Keras on PyTorch, in turns.

Sonde chooses the memory order of the pictures by itself; the plain loop stands there in both.

On a machine with an NVIDIA GPU also ResNet-18 and ResNet-50 on 3×224×224 pictures in bf16: Sonde compiled, as its trainings are where that
pays, against a plain loop over torchvision's own models, eager and compiled. The share of the roofline is the shortest time that the GPU's
measured arithmetic in bf16 and memory allow (`sonde cost`), over the time that a step takes.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import torch

from bench.machine import ROOT, sonde
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


ON_GPU = {
    "sonde": Entry("sonde_fit", compile=True),
    "torchvision, plain loop": Entry("bare", workers=1),
    "torchvision, plain loop, channels last": Entry("bare", workers=3),
    "torchvision, compiled, channels last": Entry("bare", workers=3, compile=True),
}
GPU_FLOORS = {"torchvision, plain loop": 1.3, "torchvision, plain loop, channels last": None, "torchvision, compiled, channels last": None}
GPU_BATCH = 256


def measure(options: Options) -> list[Row]:
    """Examples a second of all, then Sonde's ratio to each; on a GPU too, where there is one."""
    rows = on_cpu(options)
    if torch.cuda.is_available():
        for network in ("resnet18", "resnet50"):
            rows += on_gpu(network, options)
    return rows


def on_gpu(network: str, options: Options) -> list[Row]:
    """The same at 224 pixels in bf16, and what share of the shortest possible time Sonde reaches."""
    from sonde.cost import probes

    examples, rounds = (GPU_BATCH, 1) if options.quick else (options.examples or 16 * GPU_BATCH, options.rounds or 7)
    entries = ON_GPU
    if importlib.util.find_spec("torchvision") is None:
        print("  torchvision is not installed here: Sonde runs alone", file=sys.stderr, flush=True)
        entries = {"sonde": ON_GPU["sonde"]}
    found = race(
        entries, network=f"{network}-224", examples=examples, batch=GPU_BATCH, rounds=rounds, peers=None, device="cuda", precision="bf16"
    )
    device = torch.device("cuda")
    place = f"{network} on 3×224×224, bf16, {torch.cuda.get_device_name(device)}"
    speeds = [
        Row(f"{place}: {name} (last loss {result.loss:.2f})", [examples / seconds for seconds in result.seconds], "examples/s")
        for name, result in found.items()
    ]
    # `sonde cost` counts bytes of float32; half of them move.
    machine = ("--peak", f"{probes.peak(device, torch.bfloat16):.6g}", "--bandwidth", f"{2 * probes.bandwidth(device):.6g}")
    cost = ("cost", network, "--input", "3x224x224", "--batch", str(GPU_BATCH), "--set", "model.classes=10", *machine, "--json")
    shortest = json.loads(sonde(*cost, folder=Path(ROOT)).stdout)["floor"]["step_seconds"] * (examples // GPU_BATCH)
    share = Row(f"{place}: sonde's share of the roofline", [100 * shortest / seconds for seconds in found["sonde"].seconds], "%")
    return [
        *speeds,
        *(
            Row(f"{place}: sonde over {name}", ratios(found[name].seconds, found["sonde"].seconds), "×", at_least=floor)
            for name, floor in GPU_FLOORS.items()
            if name in found
        ),
        share,
    ]


def on_cpu(options: Options) -> list[Row]:
    """Sonde, the plain loop and Keras on two cores or whatever there are."""
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
