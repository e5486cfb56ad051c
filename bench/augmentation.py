"""Augmenting 256 × 3×96×96: whole batches against Pillow, one picture at a time in a DataLoader's two workers.

Both sides start from decoded uint8 photographs in memory (flowers where SONDE_DATA has them) and end with a batch of uint8,
or float32 where the step gives that. RandAugment has the same operations, ranges and interpolation on both sides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from bench.contenders import pillow_augment
from bench.table import Options, Row, main
from bench.timing import interleave, ratios
from sonde.data.augment import MIXES, STEPS, augmentation, mixing

BATCH, SIZE = 256, 96
PAIRS = {"randaugment": pillow_augment.rand_augment, "crop,flip,colour": pillow_augment.crop_flip_colour}


def photographs() -> Tensor:
    """256 pictures uint8 (picture, 3, 96, 96)."""
    folder = os.environ.get("SONDE_DATA")
    if folder and (Path(folder) / "flowers").is_dir():
        from sonde.data.assemble import assemble
        from sonde.data.prepare.images import fit_images
        from sonde.recipe import Data, Recipe

        data = Data(path="flowers", size=SIZE, channels=3)
        train = assemble(Recipe(data=data)).parts["train"]
        (pictures,) = fit_images(train, data).encode(train.examples, train.index[:BATCH])
        return torch.from_numpy(pictures)
    y, x = torch.meshgrid(torch.linspace(0, 9, SIZE), torch.linspace(0, 7, SIZE), indexing="ij")
    phase = torch.arange(BATCH * 3).view(BATCH, 3, 1, 1)
    return (120 + 60 * torch.sin(x + phase) + 60 * torch.cos(y + 2 * phase)).to(torch.uint8)


def ours(names: tuple[str, ...], pictures: Tensor, batches: int) -> Callable[[], float]:
    """Seconds for so many batches, each with draws of its own."""
    change, index = augmentation(names, seed=0), torch.arange(len(pictures))
    assert change is not None
    epoch = 0

    def turn() -> float:
        nonlocal epoch
        started = time.perf_counter()
        for _ in range(batches):
            change(pictures, index, epoch)
            epoch += 1
        return time.perf_counter() - started

    return turn


def mixed(name: str, pictures: Tensor, batches: int) -> Callable[[], float]:
    """As `ours`, for what takes two pictures; fetching the partner is in it."""
    mix, index = mixing((name,), seed=0), torch.arange(len(pictures))
    assert mix is not None

    def turn() -> float:
        started = time.perf_counter()
        for epoch in range(batches):
            mix(pictures, pictures[mix.partners(index, epoch, len(pictures))], index, epoch)
        return time.perf_counter() - started

    return turn


def through(loader: Iterable[Tensor]) -> Callable[[], float]:
    """Seconds for one pass over the loader."""

    def turn() -> float:
        started = time.perf_counter()
        for _ in loader:
            pass
        return time.perf_counter() - started

    return turn


def measure(options: Options) -> list[Row]:
    """The two pairs by turns, then the speed of each step."""
    torch.set_num_threads(2)
    pictures, batches = photographs(), 2 if options.quick else 8
    rounds = 2 if options.quick else options.rounds or 15
    out = []
    for names, change in PAIRS.items():
        contenders = {"sonde": ours(tuple(names.split(",")), pictures, batches)}
        for workers in (2, 0):
            made = pillow_augment.loader(pictures, change, batch=BATCH, batches=batches, workers=workers)
            contenders[f"Pillow, {workers} workers"] = through(made)
        found = interleave(contenders, rounds=rounds)
        for name, seconds in found.items():
            out.append(Row(f"{names}: {name}", [BATCH * batches / each for each in seconds], "pictures/s"))
        required = 2.0 if names == "randaugment" else None
        for peer in list(contenders)[1:]:
            at_least = required if peer == "Pillow, 2 workers" else None
            out.append(Row(f"{names}: sonde / {peer}", ratios(found[peer], found["sonde"]), "×", at_least=at_least))
    rest = {name: ours((name,), pictures, batches) for name in STEPS if name not in PAIRS}
    rest |= {name: mixed(name, pictures, batches) for name in MIXES}
    for name, seconds in interleave(rest, rounds=max(2, rounds // 3)).items():
        out.append(Row(name, [BATCH * batches / each for each in seconds], "pictures/s"))
    return out


if __name__ == "__main__":
    main("Augmentation, 256 × 3×96×96", measure)
