"""One picture painted in the manner of another: `sonde style CONTENT STYLE` (models/style_transfer.py has the losses).

The picture itself is optimised, by Adam on its pixels, so there is neither data nor a model to train: this loop of a few lines stands
beside the one of training. Large pictures are painted small first: at each scale the painting goes on from the enlarged one before
(Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 6), which costs less than painting at full
size, and lets strokes be larger than what the network sees at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde import fit, models, recipes
from sonde.data.readers.cache import cache_folder
from sonde.data.readers.pictures import decode
from sonde.errors import DataError, Problem, RecipeError, UsageError
from sonde.finetune import begin
from sonde.finetune.recognise import outputs_of, recognise, skeleton
from sonde.finetune.source import Source, open_source
from sonde.models import weights as files
from sonde.models.style_transfer import Layers, StyleTransfer, Weighing
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared
from sonde.optim.uncompiled import Adam
from sonde.run import Run

SMALLEST = 32  # pixels of a shorter side: below, the maps of a network have no places left
FIRST = 256  # pixels of the longer side at which a painting begins
BODY = "style-vgg"  # the recipe of the network where no weights are given
Start = Literal["content", "noise"]
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Manner:
    """How a picture is painted.

    `size`: pixels of its longer side. `steps` at each scale. `lr`: of Adam, in units of 0 … 255, falling to 0 along a cosine. `weighing`:
    of the losses. `start` from the content, or from noise around its mean. `every`: steps between reports.
    """

    size: int = 256
    steps: int = 200
    lr: float = 6.0
    weighing: Weighing = field(default_factory=Weighing)
    start: Start = "content"
    seed: int = 0
    every: int = 50


@dataclass(frozen=True)
class Painted:
    """`picture` uint8 (height, width, 3), the `losses` before the first step and after the last one of the last scale, steps a second."""

    picture: np.ndarray
    before: dict[str, float]
    after: dict[str, float]
    steps: int
    seconds: float
    network: str


def paint(
    content: Path, style: Path, *, manner: Manner | None = None, weights: str | None = None, device: str = "cpu", report: Report | None = None
) -> Painted:
    """`content` in the manner of `style`, read with the network of `weights` (a run, a file, a hub name; None: `body`).

    `report` gets {"step", "steps", "size", "losses", "picture"} every `manner.every` steps and at each scale's end. Raises DataError for what is no
    picture, UsageError for sizes that make no sense, RecipeError for weights of no network for pictures.
    """
    manner = manner or Manner()
    if manner.size < SMALLEST:
        raise UsageError(f"a picture of {manner.size} pixels is too small to be painted", where="--size", remedy=f"use {SMALLEST} or more")
    pictures = decode(content, str(content)), decode(style, str(style))
    model, said = body() if weights is None else network_of(weights)
    model.to(device).eval()
    layers = Layers.of(model.network)
    sizes = scales(manner.size)
    torch.manual_seed(manner.seed)
    now: Tensor | None = None
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    began = time.perf_counter()
    for size in sizes:
        shown, painted = (scaled(picture, size, str(path)).to(device) for picture, path in zip(pictures, (content, style), strict=True))
        start = _started(manner, shown) if now is None else F.interpolate(now, shown.shape[2:], mode="bicubic", align_corners=False).clamp(0, 255)
        transfer = StyleTransfer(model.normalise, model.network, content=shown, style=painted, layers=layers, weighing=manner.weighing, start=start)
        before, last = _descend(transfer, manner, size, report)
        first = first or before
        now = transfer.picture.detach()
    assert now is not None
    seconds = time.perf_counter() - began
    return Painted(_pixels(now), first, last, manner.steps * len(sizes), seconds, said)


def _descend(transfer: StyleTransfer, manner: Manner, size: int, report: Report | None) -> tuple[dict[str, float], dict[str, float]]:
    """The losses before the first step and after the last one."""
    optimizer = Adam([transfer.picture], lr=manner.lr)
    before: dict[str, float] = {}
    for step in range(manner.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = manner.lr * (1 + math.cos(math.pi * step / manner.steps)) / 2
        losses = transfer()
        if not step or step == manner.steps or step % manner.every == 0:
            found = {name: float(loss.detach()) for name, loss in losses.items()}
            found["total"] = sum(found.values())
            before = before or found
            if report is not None:
                report({"step": step, "steps": manner.steps, "size": size, "losses": found, "picture": _pixels(transfer.picture.detach())})
        if step == manner.steps:
            return before, found
        optimizer.zero_grad()
        torch.autograd.backward(sum(losses.values(), start=transfer.picture.new_zeros(())))
        optimizer.step()
        with torch.no_grad():
            transfer.picture.clamp_(0, 255)
    return before, before


def scales(size: int) -> list[int]:
    """Longer sides to paint at: doubled from about FIRST up to `size`."""
    found = [size]
    while found[0] > FIRST:
        found.insert(0, -(-found[0] // 2))
    return found


def scaled(picture: np.ndarray, size: int, name: str) -> Tensor:
    """Pixels (height, width, channel) as float (1, 3, height, width) in 0 … 255 whose longer side is `size`. Raises DataError for a strip."""
    x = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float()[None]
    x = x.expand(1, 3, *x.shape[2:]) if x.shape[1] == 1 else x
    factor = size / max(x.shape[2:])
    height, width = (max(1, round(side * factor)) for side in x.shape[2:])
    if min(height, width) < SMALLEST:
        found = f"at {size} pixels of its longer side this picture of {picture.shape[1]}×{picture.shape[0]} is {min(height, width)} pixels thin"
        raise DataError(Problem("error", name, found, f"cut it, or use a larger --size: its shorter side must have {SMALLEST}"))
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)


def _started(manner: Manner, shown: Tensor) -> Tensor:
    if manner.start == "content":
        return shown
    return (shown.mean((2, 3), keepdim=True) + 40 * torch.randn_like(shown)).clamp(0, 255)


def _pixels(picture: Tensor) -> np.ndarray:
    return np.ascontiguousarray(picture[0].clamp(0, 255).round().byte().cpu().numpy().transpose(1, 2, 0))


def network_of(text: str) -> tuple[Prepared, str]:
    """The network that `--weights TEXT` names, behind its normalisation, and what to call it. Raises RecipeError where it reads no colour pictures."""
    source = open_source(text)
    if source.run is not None:
        model = source.run.model
        sizes = source.run.preparation.sizes
        if not isinstance(model, Prepared) or sizes.get("channels") != 3:
            what = "this run's network does not read colour pictures"
            raise RecipeError(what, where=text, remedy="give a run that was trained on colour pictures: sonde train cifar10 --model vgg11-bn")
        return model, f"{source.model} of {text}"
    return _published(source), f"{source.model or 'weights'} of {text}"


def _published(source: Source) -> Prepared:
    """A network of a file of published weights."""
    guess = recognise(source.tensors)
    name = source.model or (guess.model if guess is not None and guess.share == 1 else None)
    if name is None or models.accepts(name) != "images":
        raise RecipeError("it is not known which network for pictures these weights are of", where=source.where, remedy="give weights of vgg19, resnet18 …")
    table: dict[str, Any] = {"channels": 3, "size": 224, "classes": 1000}
    shape = skeleton(name, table)
    outputs = None if shape is None else outputs_of(shape, source.tensors)
    network = models.build(name, table | ({} if outputs is None else {"classes": outputs}))
    files.fill(network, source.tensors, where=source.where)
    numbers, _ = begin.normalisation_of(name, source)
    return Prepared(normaliser({"kind": "images", **(numbers or begin.IMAGENET)}), network)


def body() -> tuple[Prepared, str]:
    """The network where no weights are given: a narrow VGG that Sonde trains once on CIFAR-10 (the recipe style-vgg) and keeps in the cache.

    Where CIFAR-10 cannot be had its weights stay as drawn, which paints as well, though more coarsely (He, Wang and Hopcroft 2016).
    """
    chosen = recipes.load(BODY)
    folder = cache_folder() / "style" / BODY
    try:
        run = Run.load(folder) if (folder / "metrics.json").is_file() else fit.train(chosen, out=folder)
        assert isinstance(run.model, Prepared)
        return run.model, f"a narrow VGG trained on CIFAR-10 ({folder})"
    except DataError:
        torch.manual_seed(0)
        config = {**chosen.model.config, "channels": 3, "size": 32, "classes": 10}
        network: nn.Module = models.build(chosen.model.name or "", config)
        return Prepared(normaliser({"kind": "images", **begin.IMAGENET}), network), "a narrow VGG with random weights, as CIFAR-10 could not be had"
