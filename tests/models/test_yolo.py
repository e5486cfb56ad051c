"""Both YOLOs: the paper's cells and loss, and what the anchor-free one learns where."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sonde import models
from sonde.errors import RecipeError
from sonde.nn.truths import truths_of
from sonde.ops.boxes import CLASS, COLUMNS, CROWD, EMPTY, SCALE

V1 = {"channels": 3, "size": 64, "classes": 3, "width": 8, "blocks": (1, 1, 1, 1), "neck": 8, "dense": 16, "dropout": 0.0}
SMALL = {"channels": 3, "size": 64, "classes": 3, "width": 8, "blocks": (1, 1, 1, 1), "pyramid": 8, "towers": 1}


def target(*boxes: tuple[float, float, float, float, int]) -> Tensor:
    """One picture's targets, and an empty slot."""
    found = torch.zeros(1, len(boxes) + 1, COLUMNS)
    found[..., CLASS], found[..., SCALE] = EMPTY, 1
    for slot, (*corners, kind) in enumerate(boxes):
        found[0, slot, :4], found[0, slot, CLASS] = torch.tensor(corners), kind
    return found


def test_the_papers_answer_has_5b_plus_c_numbers_a_cell() -> None:
    with torch.device("meta"):
        model: Any = models.build("yolo-v1", {"channels": 3, "size": 448, "classes": 20})
        boxes, classes = model.answers(torch.empty(2, 3, 448, 448))
    assert model.output.out_features == 7 * 7 * (5 * 2 + 20) == 1470
    assert boxes.shape == (2, 49, 2, 5)
    assert classes.shape == (2, 49, 20)
    assert len(model.body) == 24
    assert model.dense.in_features == 7 * 7 * 1024


def test_boxes_stand_in_their_cells() -> None:
    model: Any = models.build("yolo-v1-small", V1)
    numbers = torch.zeros(1, 49, 2, 5)
    numbers[0, 8, 0] = torch.tensor([0.5, 0.25, 0.5, 1.0, 0.9])  # row 1, column 1; √w ½, √h 1
    placed = model.placed(numbers, 70.0)[0, 8, 0]
    torch.testing.assert_close(placed, torch.tensor([15 - 17.5 / 2, 12.5 - 35, 15 + 17.5 / 2, 12.5 + 35]))


def test_the_cell_of_the_centre_finds_the_largest_object() -> None:
    model: Any = models.build("yolo-v1-small", V1)
    targets = target((0, 0, 64, 64, 0), (28, 28, 36, 36, 1), (0, 0, 9, 9, 2))
    slot, there = model.owners(truths_of(targets), 64.0)
    assert there[0].nonzero()[:, 0].tolist() == [0, 24]
    assert slot[0, [0, 24]].tolist() == [2, 0]


def test_the_loss_is_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object, by hand: 5·(centre + √size) of the responsible box, confidence against its IoU, ½ of all others' confidence, classes."""
    model: Any = models.build("yolo-v1-small", V1 | {"grid": 2})
    numbers, classes = torch.zeros(1, 4, 2, 5), torch.zeros(1, 4, 3)
    numbers[0, 0, 1] = torch.tensor([0.5, 0.5, 0.5**0.5, 0.5**0.5, 0.8])  # (0, 0, 32, 32): the truth's left half
    numbers[0, 3, 0, 4] = 0.4
    classes[0, 0] = torch.tensor([0.2, 0.7, 0.1])
    monkeypatch.setattr(model, "answers", lambda images: (numbers, classes))
    terms, _ = model.losses((torch.zeros(1, 3, 64, 64),), target((0.0, 0, 48, 32, 1)))
    sizes = ((0.75**0.5) - 0.5**0.5) ** 2
    assert terms["box"][0].item() == pytest.approx(5 * (0.25**2 + sizes), rel=1e-5)
    assert terms["confidence"][0].item() == pytest.approx((0.8 - 32 / 48) ** 2 + 0.5 * 0.4**2, rel=1e-5)
    assert terms["class"][0].item() == pytest.approx(0.2**2 + 0.3**2 + 0.1**2, rel=1e-5)
    assert {by for _, by in terms.values()} == {"objects"}


def test_the_anchor_free_form_has_a_place_for_every_cell_of_three_maps() -> None:
    model: Any = models.build("yolo-small", SMALL)
    logits, boxes, centres, strides = model.answers(torch.zeros(1, 3, 64, 96))
    places = [(8, 12), (4, 6), (2, 3)]
    assert logits.shape == (1, sum(rows * columns for rows, columns in places), 3)
    assert boxes.shape[1] == len(centres) == len(strides)
    assert strides.unique(return_counts=True)[1].tolist() == [96, 24, 6]
    assert centres[:2].tolist() == [[4, 4], [12, 4]]
    inside = (boxes[0, :, :2] < centres).all() and (boxes[0, :, 2:] > centres).all()
    assert bool(inside)
    assert logits.sigmoid().mean().item() == pytest.approx(0.01, abs=0.005)


def test_each_object_weighs_the_same_however_many_places_learn_it() -> None:
    """1 − GIoU ≤ 2 a place, the mean over an object's places, times 2."""
    torch.manual_seed(0)
    model: Any = models.build("yolo-small", SMALL).eval()
    pictures = torch.randn(1, 3, 64, 64)
    one, other = (2.0, 2, 10, 10, 0), (20.0, 20, 60, 60, 1)
    apart = [model.losses((pictures,), target(box))[0]["box"][0] for box in (one, other)]
    together = model.losses((pictures,), target(one, other))[0]["box"][0]
    torch.testing.assert_close(together, apart[0] + apart[1])
    assert all(0 < value.item() <= 4 for value in apart)


def test_what_lies_in_a_crowd_is_neither_right_nor_wrong() -> None:
    torch.manual_seed(0)
    model: Any = models.build("yolo-small", SMALL).eval()
    pictures, crowd = torch.randn(1, 3, 64, 64), target((0, 0, 64, 64, 0))
    crowd[0, 0, CROWD] = 1
    terms, _ = model.losses((pictures,), crowd)
    assert terms["class"][0].item() == 0
    assert terms["box"][0].item() == 0


def test_pictures_that_are_too_small_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"yolo-small cannot read pictures of 16×16: its layers leave something only of 32×32 or more"):
        models.build("yolo-small", SMALL | {"size": 16})
    with pytest.raises(RecipeError, match=r"yolo-v1 cannot read pictures of 32×32"):
        models.build("yolo-v1", {"channels": 3, "size": 32, "classes": 3, "scale": 1 / 16})
