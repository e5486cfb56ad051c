"""Faster and Mask R-CNN as torchvision publishes them, and the parts of the family that the contract of all detectors does not reach.

Once, both were compared with torchvision 0.28.0 itself, whose Python was loaded without its compiled operators: suppression and RoI align
were plain loops after its source, everything else its own. At 96×160 pixels in float64, with the same formula's weights, all maps,
proposals, logits, boxes, scores and masks agree to 2e-10. In float32, at 320×416 with 91 outputs, classes are the same and scores differ
by 5e-6; these weights throw boxes far, which then differ by 0.004 pixels. What both find at 64×96 is kept in golden/detectors.json
(make_detectors.py wrote it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.golden.make_detectors import AFTER, BEFORE, CLASSES, NAMES, SCORE, picture, tamed
from models.published import published
from sonde import models
from sonde.finetune.begin import normalisation_of
from sonde.finetune.source import Source
from sonde.models import mask_rcnn, weights
from sonde.models.rcnn import RCNN
from sonde.nn.batch_norm import BatchNorm
from sonde.nn.frozen_norm import FrozenBatchNorm, freeze_norms
from sonde.nn.region_proposals import Numbers, shares
from sonde.nn.regions import Sampling, sample
from sonde.nn.truths import in_a_crowd, truths_of
from sonde.ops.boxes import COLUMNS, iou

pytestmark = pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")

Shape = tuple[int, ...]
GOLDEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "golden" / "detectors.json").read_text(encoding="utf-8"))
# Parameters with torchvision's 91 outputs, of which the first is the background.
PUBLISHED = {"faster-rcnn": 41_755_286, "mask-rcnn": 44_401_393}


def layers(name: str, outputs: int = 91) -> dict[str, Shape]:
    """Key → shape of the published checkpoint: ResNet-50 with frozen norms, the pyramid, and the heads."""
    keys = {f"backbone.body.{key}": shape for key, shape in published("resnet50").items() if not key.startswith("fc.") and "num_batches" not in key}
    found: dict[str, Shape] = {}
    for level, width in enumerate((256, 512, 1024, 2048)):
        found[f"backbone.fpn.inner_blocks.{level}.0"] = (256, width, 1, 1)
        found[f"backbone.fpn.layer_blocks.{level}.0"] = (256, 256, 3, 3)
    found |= {"rpn.head.conv.0.0": (256, 256, 3, 3), "rpn.head.cls_logits": (3, 256, 1, 1), "rpn.head.bbox_pred": (12, 256, 1, 1)}
    found |= {"roi_heads.box_head.fc6": (1024, 256 * 49), "roi_heads.box_head.fc7": (1024, 1024)}
    found |= {"roi_heads.box_predictor.cls_score": (outputs, 1024), "roi_heads.box_predictor.bbox_pred": (4 * outputs, 1024)}
    if name == "mask-rcnn":
        found |= {f"roi_heads.mask_head.{number}.0": (256, 256, 3, 3) for number in range(4)}
        found |= {"roi_heads.mask_predictor.conv5_mask": (256, 256, 2, 2), "roi_heads.mask_predictor.mask_fcn_logits": (outputs, 256, 1, 1)}
    return keys | {f"{layer}.{part}": shape if part == "weight" else shape[:1] for layer, shape in found.items() for part in ("weight", "bias")}


def old(key: str) -> str:
    """The name in the files of 2019."""
    if "_blocks." in key:
        return key.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
    if "mask_head" in key:
        number = int(key.split(".")[2])
        return f"roi_heads.mask_head.mask_fcn{number + 1}.{key.split('.')[-1]}"
    return key.replace("rpn.head.conv.0.0", "rpn.head.conv")


def outline(name: str, classes: int = 90) -> nn.Module:
    """The model at full size, without memory."""
    with torch.device("meta"):
        return models.build(name, {"channels": 3, "size": 800, "classes": classes})


@pytest.mark.parametrize("name", PUBLISHED)
def test_keys_shapes_and_parameters_are_the_published_ones(name: str) -> None:
    model = outline(name)
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == layers(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("aged", [False, True])
def test_published_files_load_also_by_their_old_names_and_with_other_classes(name: str, aged: bool, tmp_path: Path) -> None:
    tensors = {old(key) if aged else key: torch.full((1,), 0.5).expand(shape) for key, shape in layers(name).items()}
    assert ("rpn.head.conv.weight" in tensors) == aged
    torch.save(tensors, tmp_path / "w.pth")
    loaded = weights.load(tmp_path / "w.pth", outline(name))
    assert (loaded.taken, loaded.fresh, loaded.unused) == (len(tensors), (), ())
    fresh = weights.load(tmp_path / "w.pth", outline(name, classes=3)).fresh
    heads = ("box_predictor.cls_score", "box_predictor.bbox_pred") + (("mask_predictor.mask_fcn_logits",) if name == "mask-rcnn" else ())
    assert set(fresh) == {f"roi_heads.{layer}.{part}" for layer in heads for part in ("weight", "bias")}


def test_published_files_see_pictures_normalised_as_imagenets() -> None:
    tensors = {key: torch.full((1,), 0.5).expand(shape) for key, shape in layers("mask-rcnn").items()}
    numbers, said = normalisation_of("mask-rcnn", Source("w.pth", tensors))
    assert numbers["mean"] == [0.485, 0.456, 0.406]
    assert "as published weights of mask-rcnn for COCO expect" in said
    tensors["roi_heads.box_predictor.cls_score.weight"] = torch.zeros(4, 1024)
    assert not normalisation_of("mask-rcnn", Source("w.pth", tensors))[0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_classifier_fills_the_body(name: str) -> None:
    model = outline(name)
    mapping = model.body_keys()  # type: ignore[operator]
    theirs = published("resnet50")
    assert all(theirs[other] == tuple(model.state_dict()[own].shape) for own, other in mapping.items())
    assert len(mapping) == sum(key.startswith("backbone.body.") for key in layers(name))


@pytest.mark.parametrize("name", NAMES)
def test_detections_and_masks_are_torchvisions(name: str) -> None:
    table = {"channels": 3, "size": 96, "classes": CLASSES, "before": (1, BEFORE), "after": (1, AFTER), "score": SCORE}
    with torch.device("meta"):
        model = models.build(name, table)
    model.load_state_dict(tamed({key: tuple(value.shape) for key, value in model.state_dict().items()}), assign=True)
    with torch.no_grad():
        found = model.eval()(picture())[0]
    expected = {key: torch.tensor(value, dtype=torch.float64) for key, value in GOLDEN[name].items()}
    count = len(expected["boxes"])
    assert int((found[:, 5] > 0).sum()) == count >= 4
    torch.testing.assert_close(found[:count, :4], expected["boxes"], rtol=0, atol=1e-7)
    torch.testing.assert_close(found[:count, 4] + 1, expected["labels"], rtol=0, atol=0)
    torch.testing.assert_close(found[:count, 5], expected["scores"], rtol=0, atol=1e-9)
    if name == "mask-rcnn":
        torch.testing.assert_close(found[0, 6:], expected["mask"], rtol=0, atol=2e-9)


def test_frozen_norms_are_the_norms_of_evaluation() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), BatchNorm(5))
    x = torch.randn(4, 3, 9, 9)
    network(x)
    expected = network.eval()(x)
    freeze_norms(network)
    assert isinstance(network[1], FrozenBatchNorm)
    torch.testing.assert_close(network.train()(x), expected)
    assert [name for name, _ in network.named_parameters()] == ["0.weight", "0.bias"]


def test_anchors_count_as_often_as_they_would_be_drawn() -> None:
    """256 of which 128 are positive, as far as there are so many; the rest are negative."""
    positive, negative = torch.zeros(3, 1000, dtype=torch.bool), torch.zeros(3, 1000, dtype=torch.bool)
    positive[0, :200], positive[1, :10], negative[:2, 200:] = True, True, True
    weight, drawn = shares(positive, negative, Numbers())
    assert drawn.tolist() == [256, 256, 1]
    assert float(weight[0, 0]) == pytest.approx(128 / 200)
    assert float(weight[1, 0]) == 1
    assert float(weight[1, 500]) == pytest.approx(246 / 800)
    torch.testing.assert_close(weight.sum(1), torch.tensor([256.0, 256.0, 0.0]))


def scene() -> Tensor:
    """Two objects and a crowd, and a picture without objects: targets (2, 3, 8)."""
    targets = torch.zeros(2, 3, COLUMNS)
    targets[1, :, 4] = -1
    targets[0, :, :4] = torch.tensor([[10.0, 10, 30, 30], [40, 40, 60, 80], [60, 0, 96, 30]])
    targets[0, :, 4] = torch.tensor([1.0, 0, 2])
    targets[0, 2, 5] = 1
    return targets


def test_regions_are_drawn_by_picture_and_objects_come_first() -> None:
    truths, torch_generator = truths_of(scene()), torch.Generator().manual_seed(0)
    corners = torch.rand(2, 200, 2, generator=torch_generator) * 60
    boxes = torch.cat([corners, corners + 5 + torch.rand(2, 200, 2, generator=torch_generator) * 30], 2)
    real = torch.ones(2, 200, dtype=torch.bool)
    real[:, 150:] = False
    keys = torch.tensor([3, 4])
    drawn = sample(boxes, real, truths, keys, Sampling(32))
    flipped = sample(boxes.flip(0), real.flip(0), truths_of(scene().flip(0)), keys.flip(0), Sampling(32))
    assert torch.equal(drawn.boxes, flipped.boxes.flip(0))
    other = sample(boxes, real, truths, keys + 10, Sampling(32))
    assert not torch.equal(drawn.boxes, other.boxes)
    assert ((drawn.labels > 0).int().diff(dim=1) <= 0).all()
    assert 2 <= int((drawn.labels[0] > 0).sum()) <= 8
    assert not (drawn.labels[1] > 0).any()
    torch.testing.assert_close(drawn.weight.sum(1), torch.ones(2))
    for region, (label, slot) in enumerate(zip(drawn.labels[0].tolist(), drawn.slots[0].tolist(), strict=True)):
        best = iou(drawn.boxes[:1, region], truths.boxes[0, :2])
        assert (float(best.max()) >= 0.5) == (label > 0)
        assert label == 0 or label == int(truths.classes[0, slot]) + 1


def test_what_lies_in_a_crowd_is_not_background() -> None:
    truths = truths_of(scene())
    boxes = torch.tensor([[[70.0, 5, 90, 25], [10, 10, 30, 30], [50, 0, 70, 30]]])
    assert in_a_crowd(boxes, truths).tolist() == [[True, False, True], [False, False, False]]


def test_masks_are_read_from_the_instance_map() -> None:
    masks = torch.zeros(1, 40, 60, dtype=torch.int16)
    masks[0, 10:20, 10:30], masks[0, 10:20, 20:25] = 1, 2
    boxes = torch.tensor([[[10.0, 10, 30, 20], [20, 10, 25, 20], [0, 0, 60, 40], [10, 10, 10, 10]]])
    wanted = mask_rcnn.mask_targets(masks, boxes, torch.tensor([[0, 1, 0, 0]]))
    assert wanted.shape == (1, 4, 28, 28)
    assert wanted[0, 0].mean(0).tolist() == [1.0] * 14 + [0.0] * 7 + [1.0] * 7
    assert wanted[0, 1].min() == 1
    assert float(wanted[0, 2].mean()) * 60 * 40 == pytest.approx(150, rel=0.1)
    assert mask_rcnn.drawn_slots(masks, 1).tolist() == [[True]]
    assert mask_rcnn.drawn_slots(masks, 3).tolist() == [[True, True, False]]


def squares(count: int) -> tuple[Tensor, Tensor]:
    """Pictures with one square, red or green, on grey, and their targets."""
    generator = torch.Generator().manual_seed(0)
    pictures, targets = torch.randn(count, 3, 64, 64, generator=generator) * 0.05, torch.zeros(count, 1, COLUMNS)
    for number in range(count):
        left, top = torch.randint(4, 36, (2,), generator=generator).tolist()
        pictures[number, number % 2, top : top + 20, left : left + 20] += 2
        targets[number, 0, :5] = torch.tensor([left, top, left + 20, top + 20, number % 2])
    return pictures, targets


def test_rcnn_is_fitted_without_a_gradient_and_kept_as_tensors() -> None:
    def fitted() -> RCNN:
        torch.manual_seed(0)
        small = {"channels": 3, "size": 64, "classes": 3, "blocks": (1, 1, 1, 1, 1), "scale": 1 / 8, "halvings": 3, "warp": 32, "dense": 512}
        model = models.build("rcnn", small | {"dropout": 0.0, "c": 0.1, "proposals": 60})
        assert isinstance(model, RCNN)
        before = model(pictures[:1])
        model.finish([((pictures[:4],), targets[:4]), ((pictures[4:8],), targets[4:8])], events.append)
        assert not torch.equal(before, model(pictures[:1]))
        return model.eval()

    pictures, targets = squares(12)
    events: list[dict[str, Any]] = []
    model = fitted()
    assert events[0]["objects"] == 8
    assert "a linear SVM and a box regression a class on 8 objects" in events[0]["message"]
    assert bool(model.fitted)
    assert model.svm.weight[:2].any(dim=1).all()
    assert not model.svm.weight[2].any()  # no object of this class was seen
    found = model(pictures[8:])[:, 0]
    assert found[:, 4].tolist() == [0, 1, 0, 1]
    assert (torch.stack([iou(row[None, :4], truth[:, :4])[0, 0] for row, truth in zip(found, targets[8:], strict=True)]) > 0.5).all()
    again = fitted().state_dict()
    assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())
