"""SSD: torchvision's keys and answers, the anchors of each level, what the body of a classifier gives.

golden/ssd.json is what torchvision 0.28.0's ssd300_vgg16 says in float64, with weights and a picture by a formula (golden/make_ssd.py wrote it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.golden.make_ssd import CLASSES, EVERY, SIZE
from models.golden.weights import pictures, weights
from sonde import models
from sonde.errors import RecipeError
from sonde.models import weights as files
from sonde.ops.boxes import CLASS, COLUMNS, SCALE
from sonde.ops.matching import match_best
from sonde.ops.offsets import decode

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "ssd.json").read_text(encoding="utf-8"))
TINY = {"channels": 3, "size": 96, "classes": 3, "width": 8, "blocks": (1, 1, 1, 1), "extras": (16,), "scales": (0.15, 0.3, 0.5, 0.7, 0.9)}


@pytest.fixture(scope="module")
def ssd300() -> Any:
    with torch.device("meta"):
        model = models.build("ssd300", {"channels": 3, "size": SIZE, "classes": CLASSES})
    model.load_state_dict(weights({key: tuple(value.shape) for key, value in model.state_dict().items()}), assign=True)
    return model.float().eval()


def test_keys_and_shapes_are_the_published_ones(ssd300: Any) -> None:
    assert {key: list(value.shape) for key, value in ssd300.state_dict().items()} == GOLDEN["keys"]


def test_answers_are_torchvisions(ssd300: Any) -> None:
    with torch.no_grad():
        logits, offsets, anchors = (answer.double() for answer in ssd300.judged(pictures(1, SIZE).float()))
    assert len(anchors) == 8732
    for name, found in (("logits", logits[0]), ("offsets", offsets[0]), ("anchors", anchors), ("boxes", decode(offsets[0], anchors))):
        expected = torch.tensor(GOLDEN[name], dtype=torch.float64)
        torch.testing.assert_close(found[::EVERY], expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_number_and_order_of_anchors_at_each_level() -> None:
    """38², 19², 10², 5², 3² and 1 places; finer levels have the smaller anchors; at each place first the squares, then each shape and its turn."""
    with torch.device("meta"):
        model = models.build("ssd300", {"channels": 3, "size": 300, "classes": 20})
    maps = [torch.zeros(1, 1, side, side) for side in (38, 19, 10, 5, 3, 1)]
    anchors = model.anchors((300, 300), maps)
    counts = [38**2 * 4, 19**2 * 6, 10**2 * 6, 5**2 * 6, 3**2 * 4, 4]
    assert len(anchors) == sum(counts) == 8732
    levels = anchors.split(counts)
    smallest = [float((level[:, 2] - level[:, 0]).min()) for level in levels]
    assert smallest == sorted(smallest)
    sides = torch.stack([levels[0][:4, 2] - levels[0][:4, 0], levels[0][:4, 3] - levels[0][:4, 1]], 1)
    first, between = 21.0, 300 * (0.07 * 0.15) ** 0.5
    wide = (first * 2**0.5, first / 2**0.5)
    torch.testing.assert_close(sides, torch.tensor([(first, first), (between, between), wide, wide[::-1]]), rtol=1e-5, atol=1e-4)
    centre = (levels[0][:, :2] + levels[0][:, 2:]) / 2
    torch.testing.assert_close(centre[0], torch.tensor([4.0, 4.0]), rtol=0, atol=1e-3)
    torch.testing.assert_close(centre[4], torch.tensor([12.0, 4.0]), rtol=0, atol=1e-3)  # then to the right
    torch.testing.assert_close(centre[4 * 38], torch.tensor([4.0, 12.0]), rtol=0, atol=1e-3)  # then down


def test_small_objects_are_matched_at_lower_levels() -> None:
    model = models.build("ssd-small", TINY)
    _, _, anchors = model.judged(torch.zeros(1, 3, 96, 96))
    counts = [places**2 * 4 for places in (12, 6, 3, 2)]
    assert len(anchors) == sum(counts)
    level = torch.repeat_interleave(torch.arange(4), torch.tensor(counts))
    truths = torch.tensor([[[10.0, 10, 24, 24]], [[4, 4, 90, 90]]])
    matched = match_best(anchors[None], truths, torch.ones(2, 1, dtype=torch.bool))
    assert set(level[matched[0] >= 0].tolist()) == {0}
    assert int(level[matched[1] >= 0].min()) >= 2


def test_the_focal_loss_needs_no_mining() -> None:
    torch.manual_seed(0)
    model = models.build("ssd-small", TINY | {"negatives": "focal"})
    targets = torch.zeros(1, 1, COLUMNS)
    targets[0, 0, :4], targets[0, 0, CLASS], targets[0, 0, SCALE] = torch.tensor([20.0, 20, 60, 60]), 1, 1
    pictures_ = torch.randn(1, 3, 96, 96)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(30):
        terms, _ = model.losses((pictures_,), targets)
        optimizer.zero_grad()
        torch.stack([total for total, _ in terms.values()]).sum().backward()
        optimizer.step()
    with torch.no_grad():
        best = model(pictures_)[0, 0]
    assert best[CLASS] == 1
    torch.testing.assert_close(best[:4], targets[0, 0, :4], rtol=0, atol=6.0)


@pytest.mark.parametrize(("name", "body"), [("ssd-small", "resnet18-light"), ("yolo-small", "resnet18-light"), ("yolo-v1-small", "resnet18-light")])
def test_a_classifiers_weights_are_a_detectors_body(name: str, body: str) -> None:
    small = {"channels": 3, "width": 8, "blocks": (1, 1, 1, 1)}
    classifier, detector = models.build(body, small | {"size": 32, "classes": 10}), models.build(name, small | {"size": 96, "classes": 3})
    drawn = {key: value.clone() for key, value in detector.state_dict().items()}
    loaded = files.fill(detector, classifier.state_dict(), where="body.safetensors")
    own, theirs = detector.state_dict(), classifier.state_dict()
    keys = detector.body_keys()
    assert loaded.taken == len(keys) == len(theirs) - 2
    assert loaded.unused == ("fc",)
    assert all(torch.equal(own[key], theirs[keys[key]]) for key in keys)
    assert all(torch.equal(own[key], drawn[key]) for key in own if key not in keys)
    assert "tensors taken from body.safetensors" in loaded.message


def test_vgg_weights_are_the_body_of_ssd300() -> None:
    with torch.device("meta"):
        classifier = models.build("vgg16", {"channels": 3, "size": 224, "classes": 1000})
        detector = models.build("ssd300", {"channels": 3, "size": 300, "classes": 3})
    keys, own, theirs = detector.body_keys(), detector.state_dict(), classifier.state_dict()
    assert set(keys.values()) == {key for key in theirs if key.startswith("features.")}
    assert all(own[key].shape == theirs[keys[key]].shape for key in keys)


def test_weights_of_another_architecture_are_refused_with_what_does_not_fit() -> None:
    detector = models.build("ssd-small", TINY)
    with pytest.raises(RecipeError, match=r"these weights fit neither the model nor its body:\n  backbone\.body\.conv1\.weight is missing"):
        files.fill(detector, nn.Linear(3, 2).state_dict(), where="other.pt")
    wide = models.build("resnet18-light", {"channels": 3, "size": 32, "classes": 10, "width": 16, "blocks": (1, 1, 1, 1)})
    with pytest.raises(RecipeError, match=r"backbone\.body\.conv1\.weight is 16×3×3×3 in the file and 8×3×3×3 in the model"):
        files.fill(detector, wide.state_dict(), where="wide.pt")


def test_other_classes_start_anew_and_boxes_stay() -> None:
    first, second = models.build("ssd-small", TINY | {"classes": 7}), models.build("ssd-small", TINY)
    loaded = files.fill(second, first.state_dict(), where="seven.pt")
    assert all(name.startswith("head.classification_head.") for name in loaded.fresh)
    assert len(loaded.fresh) == 8
    theirs = first.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in second.state_dict().items() if key not in loaded.fresh)


def test_pictures_that_are_too_small_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"ssd300 cannot read pictures of 224×224: its layers leave something only of 268×268 or more"):
        models.build("ssd300", {"channels": 3, "size": 224, "classes": 3})
    with torch.device("meta"):  # the first four levels read them
        models.build("ssd300", {"channels": 3, "size": 224, "classes": 3, "scales": (0.1, 0.2, 0.4, 0.6, 0.8), "ratios": ((2.0,),) * 4})


def test_lists_that_do_not_fit_the_levels_are_refused() -> None:
    for wrong in ({"scales": [0.1, 0.5]}, {"ratios": [[2.0]]}, {"extras": [16, 16, 16]}):
        with pytest.raises(RecipeError, match=r"model\.ratios has \d entries and model\.scales \d; this model has \d levels\n.*give \d ratios"):
            models.build("ssd-small", {"channels": 3, "size": 64, "classes": 2, **wrong})
