"""How augmentations are named, and what is said where that goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from data.augment.scenes import pictures, whole
from sonde.data.augment import MIXES, STEPS, augmentation, check, example, mixing, parse
from sonde.data.augment.affine import Affine
from sonde.data.augment.erase import Erase
from sonde.data.augment.rand_augment import RandAugment
from sonde.data.augment.scene import Scene
from sonde.errors import RecipeError


def test_strengths_stand_in_the_order_of_the_fields_or_by_name() -> None:
    assert parse(("erase:0.5", "randaugment:3:12")) == {"erase": Erase(chance=0.5), "randaugment": RandAugment(3, 12)}
    assert parse(("affine:20:scale=0.5",)) == {"affine": Affine(degrees=20.0, scale=0.5)}
    assert parse((" flip ",)).keys() == {"flip"}
    for name in (*STEPS, *MIXES):
        assert parse((name,)).keys() == parse((example(name),)).keys() == {name}
    assert parse((example("randaugment"),)) == {"randaugment": RandAugment()}


def test_the_page_lists_all_with_their_defaults() -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    for name in (*STEPS, *MIXES):
        assert f"\n| `{example(name)}` |" in page


def test_none() -> None:
    assert augmentation((), seed=0) is None
    assert augmentation(("none",), seed=0) is None
    assert augmentation(("mixup",), seed=0) is None
    assert mixing(("flip",), seed=0) is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("flips",), r"there is no augmentation 'flips'\n.*did you mean 'flip'"),
        (("flip", "none"), "augmentation none goes with no other, not with flip"),
        (("flip:0.2", "flip"), "augmentation flip stands there twice"),
        (("flip", "alternate-flip"), "flip and alternate-flip undo each other"),
        (("rotate:400",), r"augmentation rotate: degrees lies in 0 … 180, not at 400\n.*write rotate:15"),
        (("mixup:0",), r"augmentation mixup: alpha lies in 0.01 … 100, not at 0\n.*write mixup:0.2"),
        (("erase:nan",), r"erase: chance lies in 0 … 1, not at nan"),
        (("rotate:much",), "augmentation rotate: degrees is a number, not 'much'"),
        (("randaugment:2.5",), "augmentation randaugment: operations is a whole number, not '2.5'"),
        (("rotate:1:2",), r"augmentation rotate is given 2 values and takes 1 \(degrees\)"),
        (("alternate-flip:1",), "augmentation alternate-flip is given 1 values and takes none"),
        (("affine:scales=1",), r"augmentation affine has no 'scales'\n.*did you mean 'scale'"),
        (("crop:0.5:0.2",), "augmentation crop: smallest 0.5 is over largest 0.2"),
    ],
)
def test_what_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse(names)


def test_what_does_not_go_with_the_data() -> None:
    check(("flip", "mixup"), kind="images", mixable=True)
    check((), kind="table", mixable=False)
    with pytest.raises(RecipeError, match="augmentation is for pictures; these data are a table"):
        check(("flip",), kind="table", mixable=True)
    with pytest.raises(RecipeError, match="mixup and cutmix mixes the labels of two pictures, which this task and model have no loss for"):
        check(("mixup", "flip", "cutmix"), kind="images", mixable=False)


def test_a_step_that_always_empties_boxes_is_refused() -> None:
    boxes, kept = whole(10, 16, 16)
    scene, index = Scene(pictures(count=10), boxes, kept), torch.arange(10) + 5
    mild = augmentation(("crop", "erase:1", "rotate:90"), seed=0)
    assert mild is not None
    mild.check_boxes(scene, index)
    wild = augmentation(("flip", "crop:0.001:0.01:1"), seed=0)
    assert wild is not None
    with pytest.raises(RecipeError, match=r"crop leaves none of the boxes of 10 of 10 pictures \(example 5 first\) in 16 draws"):
        wild.check_boxes(scene, index)
    nothing = Scene(scene.pictures, torch.zeros_like(boxes), torch.zeros_like(kept))
    wild.check_boxes(nothing, index)  # pictures without boxes have none to lose
