"""Faster R-CNN ResNet-50 FPN, 91 outputs, pictures of 800×1088 pixels: images a second in training and prediction, against torchvision's.

Same weights, pictures, boxes, optimiser and precision, both eager, in turns. The rows for comparison need a GPU, and torchvision in the
environment; without a GPU one small picture shows that the same code runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.table import Options, Row, main
from bench.timing import interleave, ratios
from sonde import models
from sonde.ops.boxes import CLASS, COLUMNS

HEIGHT, WIDTH, CLASSES, BATCH, OBJECTS = 800, 1088, 90, 4, 8
# Less on a CPU: one picture of this size takes seconds.
SMALL = 256
FLOOR = 1.2


def data(batch: int, height: int, width: int, device: str) -> tuple[Tensor, Tensor]:
    """Pictures of noise and boxes at random places."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(batch, 3, height, width, generator=generator)
    targets = torch.zeros(batch, OBJECTS, COLUMNS)
    size = 32 + torch.rand(batch, OBJECTS, 2, generator=generator) * min(height, width) / 3
    corner = torch.rand(batch, OBJECTS, 2, generator=generator) * (torch.tensor([width, height]) - size)
    targets[..., :2], targets[..., 2:4] = corner, corner + size
    targets[..., CLASS] = torch.randint(0, CLASSES, (batch, OBJECTS), generator=generator)
    return pictures.to(device), targets.to(device)


def ours(size: int, device: str) -> Any:
    """Sonde's, with a fresh body whose signal stays small."""
    torch.manual_seed(0)
    model = models.build("faster-rcnn", {"channels": 3, "size": size, "classes": CLASSES, "eps": 1e-5})
    for name, tensor in model.state_dict().items():
        if name.endswith("bn3.weight"):
            tensor.fill_(0.25)
    return model.to(device)


def theirs(state: dict[str, Tensor], device: str) -> Any:
    """The peer with the same weights; pictures are taken as they are."""
    detection, misc = (importlib.import_module(f"torchvision.{name}") for name in ("models.detection", "ops.misc"))
    model = detection.fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=CLASSES + 1, min_size=HEIGHT, max_size=WIDTH, image_mean=[0, 0, 0], image_std=[1, 1, 1]
    )
    for module in list(model.modules()):
        for key, child in module.named_children():
            if isinstance(child, torch.nn.BatchNorm2d):
                setattr(module, key, misc.FrozenBatchNorm2d(child.num_features))
    model.load_state_dict(state)
    return model.to(device)


def steps(model: Any, loss: Callable[[], Tensor], predict: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
    """One step of SGD, and one prediction."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)

    def train() -> None:
        model.train()
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    def find() -> Any:
        model.eval()
        with torch.no_grad():
            return predict()

    return {"training": train, "prediction": find}


def sonde_steps(batch: int, height: int, width: int, device: str) -> tuple[dict[str, Callable[[], Any]], Any]:
    """Sonde's two, and the model."""
    pictures, targets = data(batch, height, width, device)
    model = ours(max(height, width), device)

    def loss() -> Tensor:
        terms, _ = model.losses((pictures,), targets)
        return sum(total for total, _ in terms.values()) / batch

    return steps(model, loss, lambda: model(pictures)), model


def torchvision_steps(state: dict[str, Tensor]) -> dict[str, Callable[[], Any]]:
    """The peer's two."""
    pictures, targets = data(BATCH, HEIGHT, WIDTH, "cuda")
    model = theirs(state, "cuda")
    wanted = [{"boxes": rows[:, :4], "labels": rows[:, CLASS].long() + 1} for rows in targets]
    return steps(model, lambda: sum(model(list(pictures), wanted).values()), lambda: model(list(pictures)))


def seconds(step: Callable[[], Any], *, device: str) -> float:
    """The time of one step, all work done."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(options: Options) -> list[Row]:
    """Images a second of each, and Sonde's ratio to torchvision's."""
    if not torch.cuda.is_available():
        return on_cpu(options)
    own, model = sonde_steps(BATCH, HEIGHT, WIDTH, "cuda")
    entries = {"sonde": own}
    if importlib.util.find_spec("torchvision") is not None:
        entries["torchvision"] = torchvision_steps(model.state_dict())
    rounds = 2 if options.quick else options.rounds or 15
    rows = []
    for kind in ("training", "prediction"):
        turns = {name: partial(seconds, step[kind], device="cuda") for name, step in entries.items()}
        times = interleave(turns, rounds=rounds, warmup=3)
        rows += [Row(f"{kind}, {name}", [BATCH / taken for taken in found], "images/s") for name, found in times.items()]
        if "torchvision" in times:
            rows.append(Row(f"{kind}, sonde over torchvision", ratios(times["torchvision"], times["sonde"]), "×", at_least=FLOOR))
    return rows


def on_cpu(options: Options) -> list[Row]:
    """One small picture; the comparison at 800 pixels needs a GPU."""
    found, _ = sonde_steps(1, SMALL, SMALL, "cpu")
    rounds = 1 if options.quick else options.rounds or 3
    said = f"one picture of {SMALL}×{SMALL} on the CPU (the rows at {HEIGHT} pixels need a GPU)"
    return [
        Row(f"{kind}, {said}", [1 / seconds(step, device="cpu") for _ in range(rounds)], "images/s") for kind, step in found.items()
    ]


if __name__ == "__main__":
    main(f"Faster R-CNN ResNet-50 FPN, {HEIGHT}×{WIDTH} pixels", measure)
