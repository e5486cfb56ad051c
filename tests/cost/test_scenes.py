"""The bills of detectors and segmenters: what chooses boxes looks at values, and is left out where there are none."""

from __future__ import annotations

import pytest

from sonde import models
from sonde.cost.account import account, count
from sonde.cost.source import find

SCENES = [name for name in models.MODELS if models.sees_scenes(name)]


@pytest.mark.parametrize("name", SCENES)
def test_every_detector_and_segmenter_is_counted(name: str) -> None:
    parameters, multiply_adds = count(find(name))
    assert parameters > 5e5
    assert multiply_adds > 1e9


# torchvision's documentation of its weights has these, in 10⁹ multiply-adds, and parameters.
PUBLISHED = {
    "ssd300": (91, 34.858, 35_641_826),
    "faster-rcnn": (90, 134.38, 41_755_286),
    "mask-rcnn": (90, None, 44_401_393),
    "fcn-resnet50": (21, None, 35_322_218),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name: str) -> None:
    _, giga, weights = PUBLISHED[name]
    parameters, multiply_adds = count(find(name))
    assert parameters == weights
    assert giga is None or multiply_adds / 1e9 == pytest.approx(giga, rel=2e-3)


def test_a_training_step_is_that_of_the_losses() -> None:
    """Backward takes about twice the multiply-adds of what is learned from."""
    bill = account(find("ssd-small"), batch=2)
    assert 1.5 * bill.multiply_adds < bill.backward < 2.1 * bill.multiply_adds
    assert bill.memory.training > bill.memory.gradients + bill.memory.weights
