"""Steps that move pixels: exact cases by hand, and boxes against the corners of what was moved."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.augment.scenes import COUNT, INDEX, fix, pictures, seen, whole
from sonde.data.augment import augmentation
from sonde.data.augment import draws as at
from sonde.data.augment.affine import Affine
from sonde.data.augment.draws import Draws
from sonde.data.augment.flip import Flip, FlipVertical
from sonde.data.augment.rotate import Rotate
from sonde.data.augment.scene import VISIBLE, Scene, cut, hide
from sonde.data.augment.shift import Shift
from sonde.data.augment.warp import forward, nearest, warp


def test_half_are_flipped_and_a_share_can_be_given() -> None:
    images = pictures()
    for name, axis in (("flip", 3), ("flip-vertical", 2)):
        found = seen(name, images)
        flipped = (found == images.flip(axis)).flatten(1).all(1)
        kept = (found == images).flatten(1).all(1)
        assert (flipped | kept).all()
        assert 0.4 < flipped.float().mean() < 0.6
        assert torch.equal(seen(name, images, chance=1.0), images.flip(axis))
        assert torch.equal(seen(name, images, chance=0.0), images)


def test_alternate_flips_show_the_other_side_in_the_next_epoch() -> None:
    """Jordan 2024, section 3.6: drawn in the first epoch, then every second epoch as the first, the others mirrored."""
    images = pictures()
    first, second = seen("alternate-flip", images, epoch=0), seen("alternate-flip", images, epoch=1)
    assert torch.equal(first, seen("flip", images, epoch=0))
    assert torch.equal(second, first.flip(3))
    for epoch in range(2, 6):
        assert torch.equal(seen("alternate-flip", images, epoch=epoch), (first, second)[epoch % 2])


@pytest.mark.parametrize(("step", "axis"), [(Flip(1.0), 2), (FlipVertical(1.0), 1)])
def test_flips_move_boxes_and_masks(step: Flip | FlipVertical, axis: int) -> None:
    boxes, kept = whole(2, 10, 20)
    masks = torch.arange(200).view(1, 10, 20).repeat(2, 1, 1)
    found = step(Scene(torch.zeros(2, 3, 10, 20), boxes, kept, masks), Draws(0, 0, INDEX[:2]))
    assert found.masks is not None
    assert torch.equal(found.masks, masks.flip(axis))
    assert found.boxes is not None
    quarter = [10.0, 0, 20, 5] if axis == 2 else [0.0, 5, 10, 10]
    assert found.boxes[0].tolist() == [[0, 0, 20, 10], quarter, [0, 0, 0, 0]]


def test_shift_moves_by_up_to_an_eighth_and_fills_with_black() -> None:
    images = pictures(1, 32, 200)
    found = seen("shift", images)
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    places = set()
    for number in range(200):
        at_ = [(y, x) for y in range(9) for x in range(9) if torch.equal(padded[number, :, y : y + 32, x : x + 32], found[number])]
        assert len(at_) == 1
        places.add(at_[0])
    assert {y for y, _ in places} == {x for _, x in places} == set(range(9))


@pytest.mark.parametrize(("share", "down", "right"), [(0.001, 1, 1), (0.125, 2, 3), (0.5, 8, 12)])
def test_shift_takes_the_drawn_window(share: float, down: int, right: int) -> None:
    images = torch.randint(0, 256, (20, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    draws = Draws(3, 1, INDEX[:20])
    found = Shift(share)(Scene(images), draws).pictures
    padded = torch.nn.functional.pad(images, (right, right, down, down))
    tops, lefts = draws.integers(at.SHIFT_DOWN, 2 * down + 1).tolist(), draws.integers(at.SHIFT_RIGHT, 2 * right + 1).tolist()
    assert len(set(tops)) > 1
    for mine, whole_one, top, left in zip(found, padded, tops, lefts, strict=True):
        assert torch.equal(mine, whole_one[:, top : top + 16, left : left + 24])


def test_shift_by_nothing_leaves_everything_where_it_is() -> None:
    boxes, kept = whole(COUNT, 16, 16)
    scene = Scene(pictures(), boxes, kept, torch.ones(COUNT, 16, 16, dtype=torch.int64))
    found = Shift(0.0)(scene, Draws(0, 0, INDEX))
    assert torch.equal(found.pictures, scene.pictures)
    assert found.boxes is not None
    assert found.masks is not None
    assert found.kept is not None
    assert torch.equal(found.boxes, boxes)
    assert torch.equal(found.kept, kept)
    assert found.masks.eq(1).all()


@pytest.mark.parametrize(
    "name",
    ["shift:0", "flip:0", "flip-vertical:0", "rotate:0", "affine:0:0:0:0", "colour:0:0:0:0", "grey:0", "blur:2:0", "noise:0", "erase:0"],
)
def test_strengths_of_nothing_change_nothing(name: str) -> None:
    steps = augmentation((name,), seed=0)
    assert steps is not None
    images = pictures(count=40)
    torch.testing.assert_close(steps(images, INDEX[:40], 0).float(), images.float(), atol=0.02, rtol=0)


def test_shift_moves_boxes_with_their_pixels() -> None:
    """A white square on black, its box around it and its mask on it, stay together."""
    images = torch.zeros(COUNT, 1, 32, 32, dtype=torch.uint8)
    images[:, :, 8:16, 4:20] = 255
    boxes = torch.tensor([[[4.0, 8, 20, 16]]]).repeat(COUNT, 1, 1)
    scene = Scene(images, boxes, torch.ones(COUNT, 1, dtype=torch.bool), (images[:, 0] > 0).long())
    for step, tolerance in ((Shift(0.25), 0.0), (Flip(), 0.0), (Rotate(0.0), 0.0), (Affine(0.0, 0.2, 0.0, 0.0), 1.0), (Affine(0.0, 0.0, 0.5, 0.0), 1.0)):
        found = step(scene, Draws(1, 0, INDEX))
        assert found.boxes is not None
        assert found.masks is not None
        for picture, mask, box in zip(found.pictures[:50, 0], found.masks[:50], found.boxes[:50, 0], strict=True):
            for lit in (picture > 127, mask > 0):
                ys, xs = lit.nonzero().unbind(1)
                edges = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
                assert (edges - box).abs().max() <= tolerance


def test_crop_takes_a_window_of_the_stated_area_and_ratio() -> None:
    """On a picture whose red is x and whose green is y, the corners of the result tell which window it is."""
    size = 64
    x = ((torch.arange(size) + 0.5) / size * 255).expand(size, size)
    images = torch.stack([x, x.T, torch.zeros(size, size)]).expand(COUNT, -1, -1, -1)
    found = seen("crop", images) / 255
    middle = slice(16, 48)
    across = (found[:, 0, 32, middle].diff(dim=1).mean(1) * size).clamp(max=1)
    down = (found[:, 1, middle, 32].diff(dim=1).mean(1) * size).clamp(max=1)
    area, ratio = across * down, across / down
    assert area.min() > 0.08 - 1e-3
    assert area.max() <= 1 + 1e-3
    assert 0.35 < area.mean() < 0.6  # a little under (0.08 + 1)/2, as long sides are cut
    assert ratio.min() > 3 / 4 - 1e-3
    assert ratio.max() < 4 / 3 + 1e-3
    assert found[:, 0].amin((1, 2)).min() < 0.02
    assert found[:, 0].amax((1, 2)).max() > 0.98


def test_a_crop_of_the_whole_picture_is_the_picture() -> None:
    images = pictures(3, 8, 10)
    torch.testing.assert_close(seen("crop", images, smallest=1.0, largest=1.0, ratio=1.0), images.float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("drawn", "turns"), [(1.0, 1), (0.0, -1), (0.5, 0)])
def test_a_quarter_turn_is_rot90(monkeypatch: pytest.MonkeyPatch, drawn: float, turns: int) -> None:
    fix(monkeypatch, {at.TURN: drawn})
    images = pictures(3, 9, 6)
    masks = images[:, 0].long()
    found = Rotate(90.0)(Scene(images, masks=masks), Draws(0, 0, INDEX[:6]))
    torch.testing.assert_close(found.pictures, torch.rot90(images, turns, (2, 3)).float(), atol=2e-2, rtol=0)
    assert found.masks is not None
    assert torch.equal(found.masks, torch.rot90(masks, turns, (1, 2)))
    boxes, kept = whole(6, 9, 9)
    moved = Rotate(90.0)(Scene(images, boxes, kept), Draws(0, 0, INDEX[:6])).boxes
    assert moved is not None
    torch.testing.assert_close(moved[0, 1], torch.tensor({1: [0, 4.5, 4.5, 9], -1: [4.5, 0, 9, 4.5], 0: [0, 0, 4.5, 4.5]}[turns]), atol=1e-4, rtol=0)


def test_draws_of_an_affine_map_fill_their_range() -> None:
    degrees = Draws(0, 0, torch.arange(20_000)).uniform(at.TURN, -1.0, 1.0) * 30
    assert -30 <= degrees.min() < -29.9
    assert 29.9 < degrees.max() < 30
    assert abs(float(degrees.mean())) < 0.3
    factors = Draws(0, 0, torch.arange(20_000)).log_uniform(at.SCALE, 1 / 2, 2.0)
    assert float((factors > 1).float().mean()) == pytest.approx(0.5, abs=0.02)


@settings(max_examples=60, deadline=None)
@given(
    angle=st.floats(-180, 180),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    factor=st.floats(0.4, 2.5),
    slope=st.floats(-1, 1),
    corner=st.tuples(st.floats(0, 30), st.floats(0, 20)),
    size=st.tuples(st.floats(1, 20), st.floats(1, 20)),
)
def test_boxes_are_the_hulls_of_their_moved_corners(
    angle: float, shift: tuple[float, float], factor: float, slope: float, corner: tuple[float, float], size: tuple[float, float]
) -> None:
    """Written out in Python's numbers: shear, scale, turn counter-clockwise, shift; about the centre of a 48 × 32 picture."""
    radians = math.radians(angle)
    a = [[math.cos(radians), math.sin(radians)], [-math.sin(radians), math.cos(radians)]]
    moved = []
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        px, py = corner[0] + x * size[0] - 24, corner[1] + y * size[1] - 16
        px, py = factor * (px + slope * py), factor * py
        moved.append((a[0][0] * px + a[0][1] * py + shift[0] + 24, a[1][0] * px + a[1][1] * py + shift[1] + 16))
    hull = [min(x for x, _ in moved), min(y for _, y in moved), max(x for x, _ in moved), max(y for _, y in moved)]
    ahead = factor * torch.tensor(a, dtype=torch.float64) @ torch.tensor([[1, slope], [0, 1]], dtype=torch.float64)
    back = torch.linalg.inv(ahead)
    offset = back @ torch.tensor(shift, dtype=torch.float64)
    box = torch.tensor([[[*corner, corner[0] + size[0], corner[1] + size[1]]]], dtype=torch.float64)
    found = forward(box.float(), torch.cat([back, -offset[:, None]], 1)[None].float(), (32, 48))[0, 0]
    torch.testing.assert_close(found, torch.tensor(hull), atol=1e-3, rtol=1e-4)
    inside, kept = cut(torch.tensor([[hull]]), torch.ones(1, 1, dtype=torch.bool), (32, 48))
    left, top, right, bottom = max(hull[0], 0), max(hull[1], 0), min(hull[2], 48), min(hull[3], 32)
    share = max(right - left, 0) * max(bottom - top, 0) / ((hull[2] - hull[0]) * (hull[3] - hull[1]))
    if abs(share - VISIBLE) > 1e-3:
        assert bool(kept) == (share > VISIBLE)
    if bool(kept):
        torch.testing.assert_close(inside[0, 0], torch.tensor([left, top, right, bottom]))


def test_affine_composes_its_parts_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lit pixel goes where shear, scale, turn and shift send it."""
    fix(monkeypatch, {at.AFFINE_TURN: 1.0, at.SHEAR: 0.0, at.SCALE: 1.0, at.ACROSS: 1.0, at.DOWN: 0.0})
    image = torch.zeros(1, 1, 65, 97)
    image[0, 0, 29:34, 55:60] = 255  # its centre is 9 right of and 1 above the middle
    found = Affine(30.0, 0.1, 0.5, 20.0)(Scene(image), Draws(0, 0, INDEX[:1])).pictures[0, 0]
    x, y = 9.0, -1.0
    x, y = 1.5 * (x - math.tan(math.radians(20)) * y), 1.5 * y
    c, s = math.cos(math.radians(30)), math.sin(math.radians(30))
    x, y = c * x + s * y + 9.7, -s * x + c * y - 6.5
    ys, xs = torch.meshgrid(torch.arange(65.0), torch.arange(97.0), indexing="ij")
    assert float((found * xs).sum() / found.sum()) == pytest.approx(48 + x, abs=0.1)
    assert float((found * ys).sum() / found.sum()) == pytest.approx(32 + y, abs=0.1)


def test_what_lies_outside_is_black_and_of_its_own_label() -> None:
    images, masks = torch.full((1, 1, 8, 8), 200, dtype=torch.uint8), torch.ones(1, 8, 8, dtype=torch.int64)
    back = torch.tensor([[[1.0, 0, 4], [0, 1, 0]]])
    found = warp(Scene(images, masks=masks, outside=9), back)
    assert found.masks is not None
    assert found.masks[0, 0].tolist() == [1, 1, 1, 1, 9, 9, 9, 9]
    assert found.pictures[0, 0, 0].tolist() == [200, 200, 200, 200, 0, 0, 0, 0]
    assert nearest(images, back, fill=7)[0, 0, 0].tolist() == [200] * 4 + [7] * 4


def test_covered_boxes() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 4, 4], [6, 6, 10, 10]]])
    kept = torch.tensor([[True, True, False]])
    assert hide(boxes, kept, torch.tensor([[0.0, 0, 4, 8]])).tolist() == [[True, False, False]]
    with pytest.raises(ValueError, match="boxes come with `kept`"):
        Scene(pictures(count=1), boxes)
