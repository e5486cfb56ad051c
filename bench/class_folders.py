"""Class folders from the second epoch on: Sonde's decoded columns against decoding every picture each epoch with a 2-worker DataLoader.

Both deliver shuffled, normalised float batches of one size; nothing is trained. Two sets: photographs of varied sizes
(flowers, worked at 128×128) and small pictures (2,000 of CIFAR-10's JPEG files, 32×32).
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench.machine import THREADS, data
from bench.scores import workplace
from bench.table import Options, Row, main
from bench.timing import interleave, ratios
from sonde.data.batches import Batches
from sonde.experiment import prepare
from sonde.recipe import Recipe
from sonde.training.world import join

BATCH = 32


class Folders(Dataset[tuple[Tensor, int]]):
    """Pictures decoded when asked for: opened, resized, cropped in the middle, made a normalised tensor."""

    def __init__(self, files: list[Path], size: int) -> None:
        self.files, self.size = files, size
        self.classes = {name: number for number, name in enumerate(sorted({file.parent.name for file in files}))}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        file = self.files[index]
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        if picture.size != (self.size, self.size):
            scale = self.size / min(picture.size)
            wide, high = (max(self.size, round(side * scale)) for side in picture.size)
            left, top = (wide - self.size) // 2, (high - self.size) // 2
            picture = picture.resize((wide, high), Image.Resampling.BILINEAR).crop((left, top, left + self.size, top + self.size))
        tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous().float().div(255)
        return (tensor - 0.45) / 0.225, self.classes[file.parent.name]


def unpack(folder: Path, *, photographs: bool, most: int) -> Path:
    """A folder of class folders with at most `most` pictures."""
    archive = data("flowers") / "flowers.tar" if photographs else data("cifar10") / "train.tar.gz"
    place = folder / archive.parent.name
    with tarfile.open(archive) as tar:
        counts: dict[str, int] = {}
        for member in tar:
            parts = Path(member.name).parts
            if not member.isfile() or not member.name.endswith(".jpg") or "val" in parts:
                continue
            counts[parts[-2]] = counts.get(parts[-2], 0) + 1
            if counts[parts[-2]] <= most // (5 if photographs else 10):
                target = place / parts[-2] / parts[-1]
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source
                target.write_bytes(source.read())
    return place


def sonde_epochs(place: Path, size: int) -> tuple[Callable[[], float], float, int]:
    """A function that delivers one epoch, the seconds that the first decoding took, and the number of pictures."""
    recipe = Recipe().replace(
        data={"path": str(place), "validation": 0.0, "test": 0.0, "size": size}, training={"batch_size": BATCH, "device": "cpu"}
    )
    with join("cpu") as world:
        started = time.perf_counter()
        experiment = prepare(recipe, None, world)
        first = time.perf_counter() - started
    part = experiment.parts["train"]
    batches = Batches(part.columns, part.index, batch_size=BATCH, seed=0, shuffle=True, device=torch.device("cpu"))
    epochs = iter(range(1_000_000))

    def epoch() -> float:
        started = time.perf_counter()
        seen = 0
        with torch.no_grad():
            for pieces in batches.epoch(next(epochs)):
                for batch in pieces:
                    seen += len(experiment.model.normalise(*batch.inputs)[0])
        assert seen == len(part.index)
        return time.perf_counter() - started

    return epoch, first, len(part.index)


def loader_epochs(place: Path, size: int) -> Callable[[], float]:
    """The same from a DataLoader whose two workers live on between epochs (its best case)."""
    loader = DataLoader(Folders(sorted(place.rglob("*.jpg")), size), batch_size=BATCH, shuffle=True, num_workers=2, persistent_workers=True)

    def epoch() -> float:
        started = time.perf_counter()
        seen = sum(len(inputs) for inputs, _ in loader)
        assert seen == len(loader.dataset)  # type: ignore[arg-type]
        return time.perf_counter() - started

    return epoch


def measure(options: Options) -> list[Row]:
    """Pictures a second and their ratio."""
    torch.set_num_threads(THREADS)
    rounds = 1 if options.quick else options.rounds or 9
    rows = []
    for name, photographs, size, most in (("flowers at 128×128", True, 128, 300), ("CIFAR-10 JPEG files at 32×32", False, 32, 2_000)):
        with workplace() as folder:
            place = unpack(folder, photographs=photographs, most=50 if options.quick else most)
            ours, first, count = sonde_epochs(place, size)
            turns = interleave({"sonde": ours, "loader": loader_epochs(place, size)}, rounds=rounds)
        rows += [
            Row(f"{name}: sonde, second epoch on", [count / seconds for seconds in turns["sonde"]], "pictures/s"),
            Row(f"{name}: decoding each epoch, 2 workers", [count / seconds for seconds in turns["loader"]], "pictures/s"),
            Row(f"{name}: sonde's first pass (opening, checking, decoding once)", [first], "s"),
            Row(f"{name}: sonde / decoding each epoch", ratios(turns["loader"], turns["sonde"]), "×", at_least=3.0),
        ]
    return rows


if __name__ == "__main__":
    main("Class folders from the second epoch on", measure)
