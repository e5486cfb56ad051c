"""Small pictures that can be told apart, and short trainings on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from sonde import fit
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.training.checkpoints import Checkpoints

SIZE = 8


def folders(path: Path, labels: tuple[str, ...], *, each: int = 12, grey: bool = False, seed: int = 0) -> Path:
    """Class folders of `each` pictures, whose brightness or colour tells the class."""
    draw = np.random.default_rng(seed)
    for number, label in enumerate(labels):
        (path / label).mkdir(parents=True)
        for count in range(each):
            noise = draw.integers(0, 60, size=(SIZE, SIZE, 3))
            noise[:, :, number % 3] += 60 + 40 * number
            pixels = np.clip(noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels[:, :, 0] if grey else pixels).save(path / label / f"{count}.png")
    return path


def recipe(path: Path, *, model: dict[str, Any] | None = None, optim: dict[str, Any] | None = None, **training: Any) -> Recipe:
    """A tiny residual network for two epochs."""
    return Recipe().replace(
        data={"path": str(path)},
        model={"name": "resnet20", "config": {"blocks": 1, "width": 4}} | (model or {}),
        optim={"name": "momentum", "lr": 0.05, "schedule": "one-cycle"} | (optim or {}),
        training={"epochs": 2, "batch_size": 8, "compile": False} | training,
    )


def trained(chosen: Recipe, out: Path) -> Run:
    """A run without figures and report."""
    return fit.train(chosen, out=out, pages=False)


def weights(run: Run, which: str = "last") -> dict[str, torch.Tensor]:
    """What the network of the last checkpoint holds."""
    pointers = Checkpoints(run.path).pointers()
    name = pointers["best"] if which == "best" else pointers["last"][0]
    return load_file(run.path / "checkpoints" / name / "weights.safetensors")


def notes(run: Run) -> str:
    """All that was said in the log."""
    return (run.path / "log.txt").read_text(encoding="utf-8")
