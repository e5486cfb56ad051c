"""Whether `sonde cost` tells the truth: multiply-adds against an independent count for every model, memory and time of a training step against
what six models really take.

Counting apart: for every convolution and dense layer of a model for pictures or tables, closed form from its own sizes and the shape that came
out, read by hooks; for models of tokens, and visual words, closed form for each product that their code asks PyTorch's functions for. Nothing of
sonde.cost counts there. N-gram models have no products. Each step is measured in a process of its own: memory is how much the resident set grows
at most, from before the model is made, over the third step (the first ones also load the kernels' code). The C library's allocator is told to
hand large blocks back at once (glibc's MALLOC_MMAP_THRESHOLD_), so that what is seen is memory in use; with its defaults it keeps holes between
blocks, which stands beside without a requirement. Time is the median of a process as Sonde trains, which keeps large blocks
(training/allocator.py). The prediction knows the operations that calibration.py has measured on this machine and none of these models.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from torch.overrides import TorchFunctionMode

from bench.machine import ROOT, environment
from bench.table import Options, Row, main

# model, input, classes, batch, optimiser
TRIED = (
    ("mlp", "1x28x28", 10, 4096, "sgd"),
    ("lenet", "1x28x28", 10, 2048, "sgd"),
    ("resnet20", "3x32x32", 10, 128, "momentum"),
    ("resnet18", "3x32x32", 10, 64, "momentum"),
    ("vgg11", "3x32x32", 10, 128, "adam"),
    ("googlenet", "3x96x96", 10, 32, "adamw"),
)


class Products(TorchFunctionMode):
    """Adds up the multiply-adds of PyTorch's functions as they are called, from the shapes of what goes in and comes out."""

    total = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name == "linear":
            self.total += out.numel() * args[1].shape[1]
        elif name in ("matmul", "mm", "bmm"):
            self.total += out.numel() * args[0].shape[-1]
        elif name in ("addmm", "baddbmm"):
            self.total += out.numel() * args[1].shape[-1]
        elif name == "conv2d":
            self.total += out.numel() * args[1][0].numel()
        elif name == "scaled_dot_product_attention":
            query, key, value = args[:3]
            self.total += math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])
        elif name == "einsum":
            operands = zip(args[0].partition("->")[0].split(","), args[1:], strict=True)
            sizes = {axis: size for axes, x in operands for axis, size in zip(axes.strip(), x.shape, strict=True)}
            self.total += math.prod(sizes.values())
        elif name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
            raise ValueError(f"{name} hides its products in one call, which cannot be counted from outside")
        return out


def products(name: str) -> int:
    """Multiply-adds of one example, from the functions that are called."""
    import torch

    from sonde.cost.source import find

    source = find(name)
    with torch.device("meta"):
        model, inputs = source.build().eval(), [each.batch(1, "meta") for each in source.inputs]
    with torch.no_grad(), Products() as found:
        model(*inputs)
    return found.total


def counted_apart(name: str) -> int:
    """Multiply-adds of one example, from the sizes of the layers alone."""
    import torch
    from torch import nn

    from sonde.cost.source import find
    from sonde.models.airbench import Whitening
    from sonde.models.rcnn import RCNN
    from sonde.nn.enlarge import Enlarge

    total = 0

    def hook(module: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Linear):
            total += out.numel() * module.in_features
        elif isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1]
            places = out.shape[2] * out.shape[3]
            if type(module) is not nn.Conv2d:  # convolution and 2×2 pooling in one layer: it computes at all places before
                height, width = given[0].shape[2:]
                places = (height + 2 * int(module.padding[0]) - module.kernel_size[0] + 1) * (width + 2 * int(module.padding[1]) - module.kernel_size[1] + 1)
            total += out.shape[0] * out.shape[1] * places * module.in_channels // module.groups * kernel
        elif isinstance(module, nn.ConvTranspose2d):  # each number of the input is spread by a kernel to each output channel of its group
            total += given[0].numel() * module.out_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
        elif isinstance(module, Enlarge):
            total += given[0].numel() * module.weight[0].numel()
        elif isinstance(module, Whitening):  # a convolution with weights that are not learnt
            total += out.numel() * 2 * 2 * given[0].shape[1]

    source = find(name)
    with torch.device("meta"):
        model, inputs = source.build().eval(), [each.batch(1, "meta") for each in source.inputs]
        for module in model.modules():
            module.register_forward_hook(hook)
        with torch.no_grad():
            model(*inputs)
    for network in model.modules():
        if isinstance(network, RCNN):  # its machines are fitted, not trained, and no layers
            total += network.proposals.most * (network.svm.weight.numel() + network.box.weight.numel())
    return total


def step(name: str, shape: str, classes: int, batch: int, optimizer: str, steps: int) -> dict[str, float]:
    """Memory and seconds of a training step, in this process."""
    import torch

    from sonde.cost.achieved import training_step
    from sonde.cost.source import find
    from sonde.optim import optimizers
    from sonde.training.allocator import keep_large_blocks

    keep_large_blocks()  # as in every training; not where the environment says how blocks are kept

    def prepare(batch: int) -> tuple[torch.nn.Module, list[torch.Tensor], torch.optim.Optimizer]:
        source = find(name, inputs=[shape], settings={"outputs" if name == "mlp" else "classes": classes})
        torch.manual_seed(0)
        model = source.build().train()
        return model, [torch.rand(batch, *each.shape) for each in source.inputs], optimizers.build(optimizer, model, lr=1e-4)

    training_step(*prepare(2))  # the code of all kernels is loaded, whatever it allocates is gone
    gc.collect()
    _trim()
    before = _resident("VmRSS")
    model, inputs, update = prepare(batch)
    for _ in range(2):
        training_step(model, inputs, update)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # begins the highest mark anew
    training_step(model, inputs, update)
    memory = _resident("VmHWM") - before
    times = []
    for _ in range(steps):
        started = time.perf_counter()
        training_step(model, inputs, update)
        times.append(time.perf_counter() - started)
    return {"memory": memory, "seconds": statistics.median(times) if times else 0.0}


def _trim() -> None:
    """Hand freed memory back to the system, so that what comes after is seen."""
    import ctypes

    ctypes.CDLL("libc.so.6").malloc_trim(0)


def _resident(which: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(which):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {which}")


def predicted(case: tuple[str, str, int, int, str], cache: str) -> dict[str, float]:
    """The same from `sonde cost`, as the command line says it; what it measures of the machine is kept in the folder `cache`."""
    name, shape, classes, batch, optimizer = case
    key = "outputs" if name == "mlp" else "classes"
    words = ["cost", name, "--input", shape, "--batch", str(batch), "--optimizer", optimizer, "--set", f"{key}={classes}", "--json"]
    surroundings = environment() | {"SONDE_CACHE": cache}
    done = subprocess.run([sys.executable, "-m", "sonde", *words], cwd=ROOT, env=surroundings, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {"memory": found["memory"]["training"], "seconds": found["predicted"]["step_seconds"], "floor": found["floor"]["step_seconds"]}


def measured(case: tuple[str, str, int, int, str], steps: int, *, holes: bool = True) -> dict[str, float]:
    """`step` in a process of its own, with an allocator that keeps holes or one that hands them back."""
    surroundings = environment() | ({} if holes else {"MALLOC_MMAP_THRESHOLD_": "65536"})
    done = subprocess.run(
        [sys.executable, "-m", "bench.cost_model", "--step", json.dumps([*case, steps])],
        cwd=ROOT, env=surroundings, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def measure(options: Options) -> list[Row]:
    """Counts of all models, then six trainings beside their predictions."""
    from sonde.cost.account import count
    from sonde.cost.source import find
    from sonde.models import MODELS, accepts
    from sonde.recipes.defaults import COUNTED

    names = [name for name in MODELS if name not in COUNTED]
    by_function = {name for name in names if accepts(name) == "tokens" or name == "visual-words"}
    apart = {name: products if name in by_function else counted_apart for name in names[:: 8 if options.quick else 1]}
    wrong = [name for name, other in apart.items() if count(find(name))[1] != other(name)]
    if wrong:
        print("counted otherwise:", ", ".join(wrong), file=sys.stderr)
    rows = [Row(f"models whose multiply-adds differ from a count apart, of {len(names)}", [len(wrong)], at_most=0)]
    tried = TRIED[:: 5 if options.quick else 1]
    # Each round measures the machine anew, between the steps that it foretells: what else runs on it changes from minute to minute.
    turns: dict[str, list[dict[str, float]]] = {case[0]: [] for case in tried}
    told: dict[str, list[dict[str, float]]] = {case[0]: [] for case in tried}
    for _ in range(1 if options.quick else options.rounds or 3):
        with tempfile.TemporaryDirectory(prefix="sonde-bench-") as cache:
            for case in tried:
                told[case[0]].append(predicted(case, cache))
                exact = measured(case, 0, holes=False)["memory"]
                turns[case[0]].append(measured(case, 2 if options.quick else 7) | {"exact": exact})
    for name, shape, _, batch, optimizer in tried:
        what, seen, said = f"{name} {shape}, batch {batch}, {optimizer}", turns[name], told[name]
        exactly = statistics.median(each["exact"] for each in seen)
        off = [100 * (guess["seconds"] / real["seconds"] - 1) for guess, real in zip(said, seen, strict=True)]
        rows += [
            Row(f"{what}: memory measured", [each["exact"] / 1e6 for each in seen], "MB"),
            Row(f"{what}: with holes", [each["memory"] / 1e6 for each in seen], "MB"),
            Row(f"{what}: memory predicted", [said[0]["memory"] / 1e6], "MB"),
            Row(f"{what}: memory off by", [100 * abs(said[0]["memory"] / exactly - 1)], "%", at_most=15),
            Row(f"{what}: step measured", [1e3 * each["seconds"] for each in seen], "ms"),
            Row(f"{what}: step predicted", [1e3 * each["seconds"] for each in said], "ms"),
            Row(f"{what}: step at least", [1e3 * each["floor"] for each in said], "ms"),
            Row(f"{what}: prediction against measurement, round by round", off, "%"),
            Row(f"{what}: step off by, the middle round", [abs(statistics.median(off))], "%", at_most=30),
        ]
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--step")
    chosen, _ = parser.parse_known_args()
    if chosen.step:
        print(json.dumps(step(*json.loads(chosen.step))))
    else:
        main("The cost model against what is", measure)
