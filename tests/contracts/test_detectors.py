"""To be listed in MODELS as a detector is to be tested: built tiny, trained on real pictures, cut into pieces, saved, and counted at full size."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from models.tiny import tiny
from sonde import models, tasks
from sonde.data.batch import Batch
from sonde.errors import RecipeError
from sonde.experiment import prepare
from sonde.metrics.detection import detection_metrics
from sonde.nn.prepared import Finishing, MaskLosses, OwnLosses, own_losses
from sonde.nn.stages import Bodied, Several, output_layers
from sonde.ops.boxes import AREA, CLASS, COLUMNS, CROWD, EMPTY, SCALE, SCORE, area
from sonde.recipe import Recipe
from sonde.training.world import World

CLASSES = 12  # at most so many kinds stand in the eight photographs


@dataclass(frozen=True)
class Trial:
    """Tiny values of a detector, with which `steps` of AdamW at the peak `rate` learn eight pictures of `size` pixels by heart."""

    values: dict[str, Any] = field(default_factory=dict)
    steps: int = 80
    rate: float = 0.01
    size: int = 96


SMALL_BODY = {"width": 8, "blocks": (1, 1, 1, 1)}
# A detector that is added to MODELS is added here. Two names of one architecture stand once.
TRIALS: dict[str, Trial] = {
    "ssd300": Trial({"scale": 1 / 16, "scales": (0.15, 0.3, 0.5, 0.7, 0.9), "ratios": ((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0,))}, steps=120, rate=5e-3),
    "ssd-resnet50": Trial(SMALL_BODY | {"extras": (16, 16, 16)}),
    "ssd-small": Trial(SMALL_BODY | {"extras": (16,), "scales": (0.15, 0.3, 0.5, 0.7, 0.9)}),
    "yolo-v1": Trial({"scale": 1 / 16, "dropout": 0.0}, steps=120, rate=5e-3),
    "yolo-v1-small": Trial(SMALL_BODY | {"neck": 32, "dense": 128, "dropout": 0.0}, steps=100, rate=5e-3),
    "yolo-small": Trial(SMALL_BODY | {"pyramid": 16, "towers": 1}),
    "yolo-large": Trial({"width": 4, "blocks": (1, 1, 1, 1), "pyramid": 16, "towers": 1}),
}
REGIONS = {"before": (100, 100), "after": (64, 50), "regions": 32, "anchor": 16, "norm": "batch"}
TWO_STAGES = {"width": 16, "blocks": (1, 1, 1, 1), "bottleneck": False, "pyramid": 32, "dense": 128} | REGIONS
TRIALS |= {
    "faster-rcnn": Trial(TWO_STAGES, steps=60, rate=3e-3),
    "mask-rcnn": Trial(TWO_STAGES | {"mask": 16}, steps=100, rate=3e-3),
    "fast-rcnn": Trial({"blocks": (1, 1, 1, 1, 1), "batch_norm": True, "scale": 1 / 4, "halvings": 3, "dense": 512, "dropout": 0.0, "lowest": 0.0},
        steps=50, rate=2e-3),
    "rcnn": Trial({"blocks": (1, 1, 1, 1, 1), "batch_norm": True, "scale": 1 / 4, "halvings": 3, "warp": 32, "dense": 1024, "dropout": 0.0,
        "c": 1.0, "background": 0.5, "ridge": 10.0, "overlap": 0.5}, steps=30, rate=2e-3),
}  # fmt: skip
DETECTORS = [name for name in models.MODELS if models.fits(name, "detection")]


def build(name: str, *, classes: int = CLASSES, size: int = 96, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return models.build(name, {"channels": 3, "size": max(size, models.smallest(name, TRIALS[name].values)), "classes": classes} | TRIALS[name].values)


def scenes(count: int, *, classes: int = 3, size: int = 96, slots: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Grey pictures with one to three rectangles whose colour is their class, and their targets; the last slots are empty."""
    generator = torch.Generator().manual_seed(seed)
    pictures, targets = torch.rand(count, 3, size, size, generator=generator) * 0.3, torch.zeros(count, slots, COLUMNS)
    targets[..., CLASS], targets[..., SCALE] = EMPTY, 1
    for picture in range(count):
        for slot in range(1 + picture % 3):
            wide, high = torch.randint(size // 6, size // 2, (2,), generator=generator).tolist()
            left, top = (int(torch.randint(0, size - side, (1,), generator=generator)) for side in (wide, high))
            kind = int(torch.randint(0, classes, (1,), generator=generator))
            targets[picture, slot, :4] = torch.tensor([left, top, left + wide, top + high])
            targets[picture, slot, CLASS], targets[picture, slot, AREA] = kind, wide * high
            pictures[picture, kind % 3, top : top + high, left : left + wide] = 1.5
    return pictures, targets


def objects(targets: Tensor) -> float:
    return float(((targets[..., CLASS] >= 0) & (targets[..., CROWD] == 0)).sum())


def loss_of(model: nn.Module, pictures: Tensor, targets: Tensor) -> Tensor:
    own = own_losses(model)
    assert own is not None
    terms, output = own((pictures,), targets, drawn(targets, pictures))
    assert output.shape[:2] == (len(pictures), 0)
    counts = {"objects": max(objects(targets), 1.0), "examples": float(len(pictures))}
    return torch.stack([total / counts[by] for total, by in terms.values()]).sum()


def drawn(targets: Tensor, pictures: Tensor) -> Tensor:
    """An instance map with every box full."""
    masks = torch.zeros(len(pictures), *pictures.shape[2:], dtype=torch.int16)
    for picture, slots in enumerate(targets):
        for slot, row in enumerate(slots):
            left, top, right, bottom = row[:4].round().int().tolist()
            masks[picture, top:bottom, left:right] = slot + 1
    return masks


@pytest.fixture(scope="module")
def eight(sonde_data: Path) -> tuple[Tensor, Tensor]:
    """The eight training pictures of coco_tiny whose smallest object is the largest: in others, of 96 pixels, objects have two or three."""
    recipe = Recipe().replace(data={"path": str(sonde_data / "coco_tiny"), "size": 96}, model={"name": "yolo-small"})
    experiment = prepare(recipe, None, World())
    columns = experiment.parts["train"].columns
    assert columns.targets is not None
    boxes, there = columns.targets[..., :4], columns.targets[..., CLASS] >= 0
    smallest = area(boxes).masked_fill(~there, torch.inf).amin(1).masked_fill(~there.any(1) | (columns.targets[..., CROWD] > 0).any(1), 0)
    chosen = smallest.argsort(descending=True, stable=True)[:8].sort().values
    targets = columns.targets[chosen]
    real = targets[..., CLASS] >= 0
    targets[..., CLASS][real] = targets[..., CLASS][real].unique(return_inverse=True)[1].to(targets)  # 80 classes would only take time
    assert targets[..., CLASS].max() < CLASSES
    return experiment.model.normalise(columns.inputs[0][chosen])[0], targets


@pytest.mark.parametrize("name", TRIALS)
def test_overfits_eight_photographs(name: str, eight: tuple[Tensor, Tensor]) -> None:
    pictures, targets = eight
    trial, model = TRIALS[name], build(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=trial.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, trial.rate, total_steps=trial.steps)
    for _ in range(trial.steps):
        optimizer.zero_grad()
        loss_of(model, pictures, targets).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        if isinstance(model, Finishing):
            model.finish([((pictures,), targets)], lambda event: None)
        found = model.eval()(pictures)
    names = tuple(str(number) for number in range(CLASSES))
    assert detection_metrics(False, names)["map-50"].of(found, targets) >= 0.9


@pytest.mark.parametrize("name", TRIALS)
def test_detections_are_rows_in_the_picture_best_first(name: str) -> None:
    model = build(name, classes=3).eval()
    pictures, _ = scenes(2)
    with torch.no_grad():
        found = model(pictures)
        none = model(pictures[:0])
    most = models.config(name, TRIALS[name].values).most
    assert found.shape[:2] == (2, most)
    assert none.shape[:2] == (0, most)
    scores, there = found[..., SCORE], found[..., SCORE] > 0
    assert (scores.diff(dim=1) <= 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    boxes = found[..., :4][there]
    assert ((boxes >= 0) & (boxes <= 96)).all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert set(found[..., CLASS][there].tolist()) <= {0, 1, 2}
    assert not found[~there].any()


@pytest.mark.parametrize("name", TRIALS)
def test_every_parameter_hears_of_the_loss(name: str) -> None:
    model = build(name, classes=3)
    loss_of(model, *scenes(3)).backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", TRIALS)
def test_cutting_the_batch_changes_nothing(name: str) -> None:
    """Terms are divided by the objects of the whole step; norms see whole batches, and stand still here."""
    model = build(name, classes=3).double().eval()
    pictures, targets = (each.double() for each in scenes(4))
    task, total = tasks.build("detection", {}, {"kind": "boxes", "columns": ["boxes"], "classes": ["a", "b", "c"]}), objects(targets)

    def value(piece: slice) -> Tensor:
        index = torch.arange(4)[piece]
        counts = {"examples": float(len(index)), "objects": objects(targets[piece])}
        return task.loss(model, Batch((pictures[piece],), targets[piece], index, counts), {"examples": 4.0, "objects": total}).value

    torch.manual_seed(0)
    whole = value(slice(0, 4))
    whole.backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    pieces = [value(piece) for piece in (slice(0, 1), slice(1, 1), slice(1, 4))]
    torch.stack(pieces).sum().backward()
    torch.testing.assert_close(torch.stack(pieces).sum(), whole, rtol=1e-6, atol=1e-9)
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", TRIALS)
def test_pictures_without_objects_train_and_crowds_are_no_objects(name: str) -> None:
    model = build(name, classes=3)
    pictures, targets = scenes(2)
    empty = targets.clone()
    empty[..., :4], empty[..., CLASS] = 0, EMPTY
    loss = loss_of(model, pictures, empty)
    loss.backward()
    assert loss.isfinite()
    assert loss > 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    crowded = targets.clone()
    crowded[..., CROWD] = (targets[..., CLASS] >= 0).to(targets)
    # Means over regions that are drawn are over others where some lie in a crowd.
    slack = 0.02 if "rcnn" in name else 1e-5
    assert loss_of(build(name, classes=3).eval(), pictures, crowded) <= loss_of(build(name, classes=3).eval(), pictures, empty) + slack


@pytest.mark.parametrize("name", TRIALS)
def test_more_objects_than_places_train(name: str) -> None:
    """Forty boxes on one spot, more than a cell has boxes or a truth has anchors of its own."""
    pictures, _ = scenes(2)
    targets = torch.zeros(2, 40, COLUMNS)
    targets[..., :4] = torch.tensor([30.0, 30, 60, 60]) + torch.arange(40)[:, None] / 10
    targets[..., SCALE] = 1
    loss = loss_of(build(name, classes=3), pictures, targets)
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize("name", TRIALS)
def test_boxes_that_a_crop_has_left_nothing_of_do_no_harm(name: str) -> None:
    pictures, targets = scenes(2)
    targets[0, 0, 2:4] = targets[0, 0, :2]  # no area
    targets[1, 0, :4] = torch.tensor([0.0, 0, 96, 96])  # the whole picture
    loss = loss_of(build(name, classes=3), pictures, targets)
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize("name", TRIALS)
def test_pictures_need_not_be_square(name: str) -> None:
    model = build(name, classes=3)
    pictures, targets = scenes(2)
    pictures = pictures[:, :, :64]
    targets[..., 1:4:2].clamp_(max=64)
    assert loss_of(model, pictures, targets).isfinite()
    with torch.no_grad():
        found = model.eval()(pictures)
    assert float(found[..., [1, 3]].max()) <= 64


@pytest.mark.parametrize("name", TRIALS)
def test_saves_and_loads(name: str, tmp_path: Path) -> None:
    first, second = build(name, classes=3, seed=0), build(name, classes=3, seed=1)
    loss_of(first, *scenes(2)).backward()  # running statistics move
    safetensors.torch.save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(safetensors.torch.load_file(tmp_path / "weights.safetensors"))
    pictures, _ = scenes(2)
    with torch.no_grad():
        assert torch.equal(first.eval()(pictures), second.eval()(pictures))


@pytest.mark.parametrize("name", TRIALS)
def test_evaluation_does_not_depend_on_the_batch(name: str) -> None:
    model = build(name, classes=3).double().eval()
    pictures, _ = (each.double() for each in scenes(3))
    with torch.no_grad():
        together, alone = model(pictures), torch.cat([model(picture[None]) for picture in pictures])
    torch.testing.assert_close(together, alone, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", DETECTORS)
def test_it_says_what_it_is(name: str) -> None:
    with torch.device("meta"):
        model = models.build(name, {"channels": 3, "size": 448, "classes": 20})
    assert isinstance(model, OwnLosses | MaskLosses)
    assert isinstance(model, Bodied)
    assert isinstance(model, Several)
    state = model.state_dict()
    assert all(f"{layer}.weight" in state for layer in output_layers(model))
    assert set(model.body_keys()) <= set(state)
    assert tiny(name)["classes"]


@pytest.mark.parametrize("name", DETECTORS)
def test_only_detection_is_asked_of_it(name: str) -> None:
    models.check_fit(name, task="detection", data="images")
    with pytest.raises(RecipeError, match=rf"model {name} does not do classification"):
        models.check_fit(name, task="classification", data="images")


# torchvision's number of parameters for ssd300_vgg16 with 91 classes; the paper's network for Pascal VOC; Sonde's own.
SIZES: dict[str, tuple[dict[str, Any], int]] = {
    "ssd300": ({"size": 300, "classes": 90}, 35_641_826),
    "yolo-v1": ({"size": 448, "classes": 20}, 271_703_550),
}


@pytest.mark.parametrize("name", SIZES)
def test_parameters_at_full_size(name: str) -> None:
    sizes, count = SIZES[name]
    with torch.device("meta"):
        model = models.build(name, {"channels": 3} | sizes)
    assert sum(parameter.numel() for parameter in model.parameters()) == count
