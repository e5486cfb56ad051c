"""Weights of classes in the losses of detectors: by hand against the plain loss, and where there are none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sonde import models, tasks
from sonde.errors import RecipeError
from sonde.experiment import _class_weights
from sonde.ops.boxes import AREA, CLASS, SCALE
from sonde.recipe import Recipe

SIZES = {"channels": 3, "size": 64, "classes": 2}


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures, each with one object of another class."""
    targets = torch.zeros(2, 1, 8)
    targets[:, 0, :4] = torch.tensor([10.0, 10.0, 50.0, 50.0])
    targets[:, 0, CLASS] = torch.tensor([0.0, 1.0])
    targets[:, 0, AREA], targets[:, 0, SCALE] = 1600.0, 1.0
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), targets


def losses(name: str, **config: Any) -> dict[str, float]:
    torch.manual_seed(0)
    network = models.build(name, {**SIZES, **config}).eval()
    pictures, targets = scene()
    terms, _ = network.losses((pictures,), targets)  # type: ignore[operator]
    return {key: float(total.detach()) for key, (total, _) in terms.items()}


FORMS: list[tuple[str, dict[str, Any]]] = [
    *(("ssd-small", {"negatives": negatives}) for negatives in ("mined", "focal")),
    *((name, {}) for name in ("yolo-small", "yolo-v1-small", "rcnn-small", "fast-rcnn-small", "faster-rcnn-small", "mask-rcnn-small")),
]


@pytest.mark.parametrize(("name", "config"), FORMS)
def test_weights_of_one_are_the_plain_loss_and_of_two_are_heard(name: str, config: dict[str, Any]) -> None:
    plain = losses(name, **config)
    assert losses(name, **config, class_weights=(1.0, 1.0)) == plain
    heavy = losses(name, **config, class_weights=(1.0, 5.0))
    assert heavy["class"] > plain["class"]
    assert {key: value for key, value in heavy.items() if key != "class"} == {key: value for key, value in plain.items() if key != "class"}


def test_weights_are_no_state() -> None:
    assert not any("weights" in key for key in models.build("yolo-small", SIZES).state_dict())


def test_balanced_weights_come_from_the_objects() -> None:
    target = {"kind": "boxes", "classes": ["red", "white"], "counts": [90, 10]}
    task = tasks.build("detection", {"class_weights": "balanced"}, target)
    recipe = Recipe().replace(task={"name": "detection"}, model={"name": "yolo-small"})
    assert _class_weights(recipe, task) == {"class_weights": pytest.approx((100 / 180, 5.0))}
    assert _class_weights(recipe, tasks.build("detection", {}, target)) == {}
    with pytest.raises(RecipeError, match="the loss of lenet does not weigh classes"):
        _class_weights(recipe.replace(model={"name": "lenet"}), task)
