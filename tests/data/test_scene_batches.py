"""Batches of pictures with boxes and masks: counts, augmentation, and rare classes more often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sonde.data import augment
from sonde.data.balance import draw, presence, repeat_factors
from sonde.data.batch import NO_TARGET
from sonde.data.batches import Batches
from sonde.data.feed import feed
from sonde.data.prepare.columns import Columns
from sonde.data.scene_batches import boxes_of
from sonde.errors import RecipeError
from sonde.ops.boxes import AREA, BOTTOM, CLASS, COLUMNS, CROWD, LEFT, SCALE

SIDE = 32


def boxed(count: int = 7, slots: int = 3, *, masks: bool = True) -> Columns:
    """Pictures in which object k is a square of 8 pixels, bright on dark, of class k; one picture has none, one a crowd."""
    pictures = torch.zeros(count, 1, SIDE, SIDE, dtype=torch.uint8)
    targets = torch.zeros(count, slots, COLUMNS)
    targets[..., CLASS], targets[..., SCALE] = -1, 0.5
    planes = torch.zeros(count, SIDE, SIDE, dtype=torch.int16)
    for row in range(1, count):
        for slot in range(row % slots + 1):
            left, top = (5 * row + 9 * slot) % 22, (7 * row + 4 * slot) % 22
            targets[row, slot] = torch.tensor([left, top, left + 8, top + 8, slot, float(row == 2), 256, 0.5])
            pictures[row, 0, top : top + 8, left : left + 8] = 200
            planes[row, top : top + 8, left : left + 8] = slot + 1
    return Columns((pictures,), targets, np.ones(count, dtype=bool), masks=planes if masks else None, scene="boxes")


def labelled(count: int = 6) -> Columns:
    """Pictures with a plane of classes, the right half void."""
    planes = torch.arange(count, dtype=torch.uint8)[:, None, None].expand(count, SIDE, SIDE).clone()
    planes[:, :, SIDE // 2 :] = 255
    return Columns((torch.randint(0, 256, (count, 1, SIDE, SIDE), dtype=torch.uint8),), planes, np.ones(count, dtype=bool), scene="masks")


def batches(columns: Columns, *, size: int = 3, names: tuple[str, ...] = (), factors: Tensor | None = None, accumulate: int = 1) -> Batches:
    steps = augment.augmentation(names, seed=0)
    return Batches(
        columns, np.arange(len(columns)), batch_size=size, seed=0, shuffle=True, device="cpu", augment=steps, factors=factors, accumulate=accumulate
    )


def test_objects_are_counted_without_crowds() -> None:
    columns = boxed()
    for pieces in batches(columns, accumulate=2).epoch(0):
        for piece in pieces:
            assert piece.targets is not None and piece.masks is not None and piece.masks.dtype == torch.int16
            real = (piece.targets[..., CLASS] >= 0) & (piece.targets[..., CROWD] == 0)
            assert piece.counts == {"examples": float(len(piece.index)), "objects": float(real.sum())}
            assert (piece.masks.flatten(1).amax(1) == (piece.targets[..., CLASS] >= 0).sum(1)).all()
    total = sum(piece.counts["objects"] for pieces in batches(columns).epoch(0) for piece in pieces)
    crowd = int((columns.targets[..., CROWD] == 1).sum())  # type: ignore[index]
    assert total == int((columns.targets[..., CLASS] >= 0).sum()) - crowd  # type: ignore[index]


def test_pixels_are_counted_without_void() -> None:
    for (piece,) in batches(labelled()).epoch(0):
        assert piece.targets is not None and piece.targets.dtype == torch.int64 and piece.masks is None
        assert (piece.targets[:, :, SIDE // 2 :] == NO_TARGET).all()
        assert (piece.targets[:, :, 0] == piece.index[:, None]).all()
        assert piece.counts == {"examples": float(len(piece.index)), "pixels": float(len(piece.index) * SIDE * SIDE // 2)}


@pytest.mark.parametrize("names", [("flip",), ("crop:0.3",), ("affine:0:0.2:0.5:0",), ("shift:0.5", "flip-vertical"), ("rotate:40",)])
def test_boxes_masks_and_pictures_move_together(names: tuple[str, ...]) -> None:
    emptied = 0
    for epoch in range(6):
        for (batch,) in batches(boxed(), names=names).epoch(epoch):
            targets, masks, pictures = batch.targets, batch.masks, batch.inputs[0].float()
            assert targets is not None and masks is not None
            empty = targets[..., CLASS] < 0
            assert (targets[empty][:, :CLASS] == 0).all() and (targets[empty][:, CROWD : AREA + 1] == 0).all()
            assert (targets[..., SCALE] == 0.5).all() and (targets[~empty][:, AREA] == 256).all()
            assert targets[..., LEFT].min() >= 0 and targets[..., BOTTOM].max() <= SIDE
            emptied += int((empty & (boxed().targets[batch.index][..., CLASS] >= 0)).sum())  # type: ignore[index]
            # What the map calls an object is bright, lies in its box, and belongs to a slot that is taken.
            inside = masks > 0
            assert float((pictures[:, 0][inside] > 60).float().mean()) > 0.97 if inside.any() else True
            for row, slot in torch.nonzero(~empty).tolist():
                places = torch.nonzero(masks[row] == slot + 1)
                left, top, right, bottom = targets[row, slot, :4].tolist()
                if len(places):
                    assert places[:, 0].min() >= top - 1 and places[:, 0].max() <= bottom + 1
                    assert places[:, 1].min() >= left - 1 and places[:, 1].max() <= right + 1
            taken = torch.cat([torch.ones(len(targets), 1, dtype=torch.bool), ~empty], 1)
            assert taken.gather(1, masks.flatten(1).long()).all()
    assert emptied > 0 if names[0].startswith(("crop", "affine", "shift")) else True


def test_planes_move_with_their_pictures_and_what_opens_is_void() -> None:
    columns = labelled()
    seen = set()
    for (batch,) in batches(columns, names=("affine:0:0.4:0:0",)).epoch(0):
        assert batch.targets is not None
        for row, labels in zip(batch.index.tolist(), batch.targets, strict=True):
            assert set(labels.unique().tolist()) <= {row, NO_TARGET}
            seen.add(int((labels == row).sum()))
        assert batch.counts["pixels"] == float((batch.targets != NO_TARGET).sum())
    assert len(seen) > 1


def test_draws_do_not_depend_on_batches() -> None:
    def all_of(size: int) -> dict[int, Tensor]:
        found = {}
        for (batch,) in batches(boxed(), size=size, names=("affine:0:0.2:0.5:0", "flip")).epoch(3):
            assert batch.targets is not None
            found |= dict(zip(batch.index.tolist(), batch.targets, strict=True))
        return found

    small, large = all_of(2), all_of(7)
    assert small.keys() == large.keys() and all((small[key] == large[key]).all() for key in small)


def test_measuring_takes_few_pictures_at_once() -> None:
    still = feed(boxed(20), np.arange(20), batch_size=1024, device="cpu")
    assert max(len(batch.index) for (batch,) in still.epoch(0)) == 16


def test_what_would_leave_no_box_is_refused_before_training() -> None:
    columns = boxed()
    scene, index = boxes_of(columns, np.arange(7)), torch.arange(7)
    gentle = augment.augmentation(("affine:0:0.1:0.2:0", "flip", "colour"), seed=0)
    assert gentle is not None
    gentle.check_boxes(scene, index)
    tiny = augment.augmentation(("crop:0.001:0.002",), seed=0)
    assert tiny is not None
    with pytest.raises(RecipeError, match=r"crop leaves none of the boxes of \d of 7 pictures .* in 16 draws"):
        tiny.check_boxes(scene, index)


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_mixing_is_refused(kind: str) -> None:
    for name in ("mixup", "cutmix"):
        with pytest.raises(RecipeError, match=f"{name} mixes two pictures in one, which {kind} in them do not survive"):
            augment.check(("flip", name), kind=kind, mixable=False)
    augment.check(("flip", "crop"), kind=kind, mixable=False)


def test_rare_classes_come_more_often() -> None:
    targets = torch.zeros(100, 2, COLUMNS)
    targets[..., CLASS] = -1
    targets[:, 0, CLASS] = 0  # every picture shows class 0, four show class 1
    targets[[3, 40, 41, 99], 1, CLASS] = 1
    columns = Columns((torch.zeros(100, 1, 1, 1),), targets, np.ones(100, dtype=bool), scene="boxes")
    factors = repeat_factors(columns, torch.arange(100))
    assert factors[3] == pytest.approx(5.0) and factors[0] == 1.0  # √(1 / 0.04)
    counts = torch.zeros(100)
    for epoch in range(20):
        drawn = draw(factors, seed=1, epoch=epoch)
        assert len(drawn) == 100 and (drawn == draw(factors, seed=1, epoch=epoch)).all()
        times = torch.bincount(drawn, minlength=100)
        expected = factors * 100 / factors.sum()
        assert (times >= expected.floor()).all() and (times <= expected.ceil()).all()
        counts += times
    assert float(counts[3] / counts[0]) == pytest.approx(5.0, rel=0.4)
    epoch_of = [int(number) for (batch,) in batches(columns, size=100, factors=factors).epoch(0) for number in batch.index]
    assert len(epoch_of) == 100 and epoch_of.count(3) >= 4


def test_presence_in_planes_and_in_single_labels() -> None:
    assert presence(labelled(4), torch.arange(4))[:, :4].tolist() == np.eye(4, dtype=bool).tolist()
    classes = Columns((torch.zeros(4, 1),), torch.tensor([0, 1, 1, 1]), np.ones(4, dtype=bool))
    assert repeat_factors(classes, torch.arange(4)).tolist() == pytest.approx([3**0.5, 1, 1, 1])
    numbers = Columns((torch.zeros(4, 1),), torch.zeros(4, 1), np.ones(4, dtype=bool))
    with pytest.raises(RecipeError, match="there are no classes that could be balanced"):
        repeat_factors(numbers, torch.arange(4))


def test_real_bccd(sonde_data: Path) -> None:
    """Boxes of real pictures stay on the canvas in the first epoch of the default augmentation."""
    from data.prepare.test_scenes import columns
    from sonde.recipe import Data

    found = columns(sonde_data / "bccd", Data(size=96))
    assert found.targets is not None and found.targets.shape == (205, 28, 8) and found.inputs[0].shape == (205, 3, 96, 96)
    assert int((found.targets[..., CLASS] >= 0).sum()) == 2804
