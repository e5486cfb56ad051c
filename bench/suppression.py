"""Suppression of 20,000 boxes at IoU 0.5: their time with 80 classes, and the memory it takes beyond the boxes themselves.

Three scenes on 600 × 600 pixels: small boxes anywhere, boxes up to a quarter of the side anywhere, and what a detector gives before
suppression, boxes in 200 heaps. With one class alone the same scenes are the hardest, as any box may then drop any other. Every result is
compared with the greedy loop's. Memory is what the resident set of a process of its own grows by at its peak (Linux); it grows with the boxes, not with
their square: all overlaps of 20,000 boxes would be 1.6 GB, and of 80,000 25.6 GB.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bench.machine import ROOT, THREADS, environment
from bench.table import Options, Row, main
from bench.timing import interleave
from sonde.ops.suppression import suppress

BOXES, CLASSES, THRESHOLD, SIDE = 20_000, 80, 0.5, 600
SCENES = ("small boxes", "boxes up to a quarter", "200 heaps")

PEAK = """
import sys, torch
from bench.suppression import SCENES, THRESHOLD, scene
from sonde.ops.suppression import suppress
count, classes = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
given = [scene(name, count, classes) for name in SCENES]
for boxes, scores, number in (scene(name, 1_000, classes) for name in SCENES):
    suppress(boxes, scores, number, iou=THRESHOLD)  # what PyTorch itself sets up is not counted
def size(name):
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name)))
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew (Linux)
before = size("VmRSS")
for boxes, scores, number in given:
    suppress(boxes, scores, number, iou=THRESHOLD)
print((size("VmHWM") - before) / 1024)
"""


def scene(name: str, count: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Corner boxes, scores and classes."""
    generator = torch.Generator().manual_seed(SCENES.index(name))

    def uniform(rows: int, least: float, most: float) -> Tensor:
        return least + (most - least) * torch.rand(rows, 2, generator=generator)

    if name == "200 heaps":
        heap = torch.randint(0, 200, (count,), generator=generator)
        size = uniform(200, 20, 170)[heap]
        noise = torch.randn(2, count, 2, generator=generator)
        low, size = uniform(200, 0, SIDE - 100)[heap] + 0.1 * size * noise[0], size * (1 + 0.1 * noise[1])
    else:
        low, size = uniform(count, 0, SIDE), uniform(count, 10, 50 if name == "small boxes" else SIDE / 4)
    return torch.cat([low, low + size], 1), torch.rand(count, generator=generator), torch.randint(0, classes, (count,), generator=generator)


def greedy(boxes: Tensor, scores: Tensor, classes: Tensor) -> list[int]:
    """The loop, class by class: the best box that is left is kept, and drops what it overlaps."""
    order = scores.argsort(descending=True, stable=True).numpy()
    left, top, right, bottom = boxes.numpy().T.copy()
    number = classes.numpy()
    area = (right - left) * (bottom - top)
    kept = np.zeros(len(order), bool)
    for each in np.unique(number):
        rest = order[number[order] == each]
        while len(rest):
            best, rest = rest[0], rest[1:]
            kept[best] = True
            width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
            height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
            shared = width.clip(0) * height.clip(0)
            rest = rest[shared / (area[best] + area[rest] - shared) <= THRESHOLD]
    return [int(box) for box in order[kept[order]]]


def timed(given: tuple[Tensor, Tensor, Tensor]) -> Callable[[], float]:
    """Milliseconds of a call."""

    def call() -> float:
        started = time.perf_counter()
        suppress(*given, iou=THRESHOLD)
        return 1e3 * (time.perf_counter() - started)

    return call


def peak(count: int, classes: int) -> float:
    """MB by which the peak of a process's memory grows."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(count), str(classes)], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def measure(options: Options) -> list[Row]:
    """Milliseconds of each scene, with 80 classes and with one; MB."""
    torch.set_num_threads(THREADS)
    rounds, count = (1, 1_000) if options.quick else (options.rounds or 15, BOXES)
    contenders, required = {}, {}
    for classes in (CLASSES, 1):
        for name in SCENES:
            given = scene(name, count, classes)
            found = suppress(*given, iou=THRESHOLD).tolist()
            assert found == greedy(*given), f"{name}: other boxes than the loop's"
            what = f"{count:,} boxes, {classes} class{'es' if classes > 1 else ''}, {name} ({len(found):,} kept)"
            contenders[what], required[what] = timed(given), 60.0 if classes > 1 else None
    measured = interleave(contenders, rounds=rounds)
    rows = [Row(what, values, "ms", at_most=required[what]) for what, values in measured.items()]
    for classes in (CLASSES, 1):
        few, many = peak(count, classes), peak(4 * count, classes)
        rows.append(Row(f"{count:,} boxes, {classes} class{'es' if classes > 1 else ''}: memory", [few], "MB"))
        # Twice what is linear leaves room for what the allocator keeps.
        rows.append(Row(f"{4 * count:,} boxes, {classes} class{'es' if classes > 1 else ''}: memory", [many], "MB", at_most=8 * max(few, 8.0)))
    return rows


if __name__ == "__main__":
    main("Suppression of 20,000 boxes", measure)
