"""Nothing but seed, epoch and example decides what is seen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.augment.scenes import COUNT, INDEX, pictures, whole
from sonde.data.augment import MIXES, STEPS, augmentation, mixing
from sonde.data.augment.scene import Scene

KEEP_THE_TYPE = ("shift", "flip", "alternate-flip", "flip-vertical", "randaugment", "grey", "erase")


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_order_and_processes_change_nothing(name: str, channels: int) -> None:
    images, step = pictures(channels), augmentation((name,), seed=7)
    assert step is not None
    seen = step(images, INDEX, 2)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    shuffled = step(images[order], INDEX[order], 2)
    pieces = torch.cat([step(part, index, 2) for part, index in zip(images.split(37), INDEX.split(37), strict=True)])
    ranks = torch.cat([step(part, index, 2) for part, index in zip(images.chunk(4), INDEX.chunk(4), strict=True)])
    # Matrix products of other sizes may round otherwise in the last place.
    for other in (shuffled[order.argsort()], pieces, ranks):
        torch.testing.assert_close(other, seen, rtol=0, atol=0 if seen.dtype == torch.uint8 else 1e-3)
    if name == "grey" and channels == 1:
        return
    assert not torch.equal(step(images, INDEX, 3), seen)
    other_seed = augmentation((name,), seed=8)
    assert other_seed is not None
    assert not torch.equal(other_seed(images, INDEX, 2), seen)


@pytest.mark.parametrize("name", MIXES)
def test_partners_and_shares_are_the_examples_own(name: str) -> None:
    images, mix = pictures(), mixing((name,), seed=7)
    assert mix is not None
    partners = mix.partners(INDEX, 2, COUNT)
    mixed, shares = mix(images, images[partners], INDEX, 2)
    some = torch.arange(100, 120)
    assert torch.equal(mix.partners(some, 2, COUNT), partners[some])
    again, theirs = mix(images[some], images[partners[some]], some, 2)
    assert torch.equal(again, mixed[some])
    assert torch.equal(theirs, shares[some])
    assert not torch.equal(mix.partners(INDEX, 3, COUNT), partners)


@pytest.mark.parametrize("name", STEPS)
def test_shapes_and_range_stay(name: str) -> None:
    step = augmentation((name,), seed=0)
    assert step is not None
    for images in (pictures(), pictures(1, 9), pictures().float(), pictures(count=0)):
        found = step(images, INDEX[: len(images)], 0)
        assert found.shape == images.shape
        if len(images):
            assert found.min() >= 0
            assert found.max() <= 255
            if images.dtype == torch.uint8:
                assert found.dtype == (torch.uint8 if name in KEEP_THE_TYPE else torch.float32)


@pytest.mark.parametrize("name", STEPS)
def test_boxes_and_masks_stay_well_formed(name: str) -> None:
    step = augmentation((name,), seed=3)
    assert step is not None
    boxes, kept = whole(50, 16, 16)
    masks = torch.randint(0, 5, (50, 16, 16), dtype=torch.uint8)
    found = step.scene(Scene(pictures(count=50), boxes, kept, masks, outside=255), INDEX[:50], 1)
    assert found.boxes is not None
    assert found.kept is not None
    assert found.masks is not None
    assert found.masks.dtype == masks.dtype
    assert found.masks.unique().tolist() in ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 255])
    assert not found.kept[:, 2].any()
    assert (found.boxes[~found.kept] == 0).all()
    low, high = found.boxes[found.kept].split(2, dim=1)
    assert (low < high).all()
    assert low.min() >= 0
    assert high.max() <= 16
    alone = step(pictures(count=50), INDEX[:50], 1)
    assert torch.equal(found.pictures, alone)


@given(st.permutations(["flip", "shift", "crop", "rotate:20", "colour", "erase:1", "randaugment:1"]))
@settings(max_examples=5, deadline=None)
def test_steps_have_one_order(names: list[str]) -> None:
    images = pictures(3, 8, 20)
    one, other = augmentation(names, seed=0), augmentation(sorted(names), seed=0)
    assert one is not None
    assert other is not None
    assert torch.equal(one(images, INDEX[:20], 0), other(images, INDEX[:20], 0))
