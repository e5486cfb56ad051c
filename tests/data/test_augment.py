"""Augmentation: what each step does to pixels, and that nothing but seed, epoch and example decides it."""

from __future__ import annotations

import colorsys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.data import augment as module
from sonde.data.augment import STEPS, augmentation
from sonde.errors import RecipeError

COUNT = 400
INDEX = torch.arange(COUNT)


def pictures(channels: int = 3, size: int = 16, count: int = COUNT) -> Tensor:
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_order_and_processes_change_nothing(name: str, channels: int) -> None:
    images, step = pictures(channels), augmentation((name,), seed=7)
    assert step is not None
    whole = step(images, INDEX, 2)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    shuffled = step(images[order], INDEX[order], 2)
    pieces = torch.cat([step(part, index, 2) for part, index in zip(images.split(37), INDEX.split(37), strict=True)])
    ranks = torch.cat([step(part, index, 2) for part, index in zip(images.chunk(4), INDEX.chunk(4), strict=True)])
    # Matrix products of other sizes may round otherwise in the last place.
    for other in (shuffled[order.argsort()], pieces, ranks):
        torch.testing.assert_close(other, whole, rtol=0, atol=0 if whole.dtype == torch.uint8 else 1e-3)
    assert not torch.equal(step(images, INDEX, 3), whole)
    assert not torch.equal(STEPS[name](images, INDEX, 8, 2), whole)


@pytest.mark.parametrize("name", STEPS)
def test_shapes_and_range_stay(name: str) -> None:
    for images in (pictures(), pictures(1, 9), pictures().float(), pictures(count=0)):
        found = STEPS[name](images, INDEX[: len(images)], 0, 0) if len(images) else augmentation((name,), seed=0)(images, INDEX[:0], 0)  # type: ignore[misc]
        assert found.shape == images.shape
        assert found.dtype == (images.dtype if name in ("shift", "flip", "alternate-flip", "flip-vertical") or not len(images) else torch.float32)
        if len(images):
            assert found.min() >= 0
            assert found.max() <= 255


def test_half_are_flipped() -> None:
    images = pictures()
    for name, axis in (("flip", 3), ("flip-vertical", 2)):
        found = STEPS[name](images, INDEX, 0, 0)
        flipped = (found == images.flip(axis)).flatten(1).all(1)
        kept = (found == images).flatten(1).all(1)
        assert (flipped | kept).all()
        assert 0.4 < flipped.float().mean() < 0.6


def test_alternate_flips_show_the_other_side_in_the_next_epoch() -> None:
    """Jordan 2024, section 3.6: drawn in the first epoch, then every second epoch as the first, the others mirrored."""
    images, step = pictures(), STEPS["alternate-flip"]
    first, second = step(images, INDEX, 0, 0), step(images, INDEX, 0, 1)
    assert torch.equal(first, STEPS["flip"](images, INDEX, 0, 0))
    assert torch.equal(second, first.flip(3))
    for epoch in range(2, 6):
        assert torch.equal(step(images, INDEX, 0, epoch), (first, second)[epoch % 2])


def test_shift_moves_by_up_to_an_eighth_and_fills_with_black() -> None:
    images = pictures(1, 32, 200)
    found = STEPS["shift"](images, INDEX[:200], 0, 0)
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    places = set()
    for number in range(200):
        at = [(y, x) for y in range(9) for x in range(9) if torch.equal(padded[number, :, y : y + 32, x : x + 32], found[number])]
        assert len(at) == 1
        places.add(at[0])
    assert {y for y, _ in places} == {x for _, x in places} == set(range(9))


def test_crop_takes_a_window_of_the_stated_area_and_ratio() -> None:
    """On a picture whose red is x and whose green is y, the corners of the result tell which window it is."""
    size = 64
    x = ((torch.arange(size) + 0.5) / size * 255).expand(size, size)
    images = torch.stack([x, x.T, torch.zeros(size, size)]).expand(COUNT, -1, -1, -1)
    found = STEPS["crop"](images, INDEX, 0, 0) / 255
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


def test_a_crop_of_the_whole_picture_is_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AREAS", (1.0, 1.0))
    monkeypatch.setattr(module, "RATIOS", (1.0, 1.0))
    images = pictures(3, 8, 10)
    torch.testing.assert_close(STEPS["crop"](images, INDEX[:10], 0, 0), images.float(), atol=1e-3, rtol=0)


def only(monkeypatch: pytest.MonkeyPatch, **factors: float) -> None:
    """Fix the factors of colour; 1 changes nothing."""
    places = {module.BRIGHTNESS: "brightness", module.CONTRAST: "contrast", module.SATURATION: "saturation", module.HUE: "hue"}

    def draw(seed: int, epoch: int, index: Tensor, place: int) -> Tensor:
        return torch.full(index.shape, factors.get(places[place], 1.0) - 0.5)

    monkeypatch.setattr(module, "uniform", draw)


def test_colour_with_factors_of_1_is_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    for channels in (1, 3):
        images = pictures(channels)
        torch.testing.assert_close(STEPS["colour"](images, INDEX, 0, 0), images.float(), atol=1e-2, rtol=0)


def test_brightness_contrast_and_saturation_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    images = (pictures() // 4 + 60).float()
    luma = (images * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    only(monkeypatch, brightness=1.4)
    torch.testing.assert_close(STEPS["colour"](images, INDEX, 0, 0), 1.4 * images, atol=1e-2, rtol=0)
    only(monkeypatch, contrast=0.6)
    torch.testing.assert_close(STEPS["colour"](images, INDEX, 0, 0), 0.6 * images + 0.4 * luma.mean((2, 3), keepdim=True), atol=1e-1, rtol=0)
    only(monkeypatch, saturation=0.5)
    torch.testing.assert_close(STEPS["colour"](images, INDEX, 0, 0), 0.5 * images + 0.5 * luma, atol=1e-1, rtol=0)
    grey = images[:, :1]
    only(monkeypatch, contrast=0.6, brightness=1.2, saturation=0.5, hue=0.7)
    bright = 1.2 * grey
    torch.testing.assert_close(STEPS["colour"](grey, INDEX, 0, 0), 0.6 * bright + 0.4 * bright.mean((2, 3), keepdim=True), atol=1e-2, rtol=0)


def test_hue_turns_colours_and_keeps_grey_and_luma(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, hue=1 + 1 / 3)
    grey = pictures(1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(STEPS["colour"](grey, INDEX, 0, 0), grey.float(), atol=0.1, rtol=0)
    weak = torch.tensor([140.0, 120.0, 120.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    found = STEPS["colour"](weak, INDEX[:1], 0, 0)[0, :, 0, 0]
    luma = torch.tensor([0.299, 0.587, 0.114])
    assert float(found @ luma) == pytest.approx(float(weak[0, :, 0, 0] @ luma), abs=0.1)
    before, after = (colorsys.rgb_to_hsv(*(c / 255))[0] for c in (weak[0, :, 0, 0].numpy(), found.numpy()))
    turned = (after - before) % 1
    assert min(abs(turned - 1 / 3), abs(turned - 2 / 3)) < 0.06  # YIQ's angles are not quite those of HSV


def test_factors_span_half_to_one_and_a_half() -> None:
    factors = 1 + module.STRENGTH * (2 * module.uniform(0, 0, torch.arange(10_000), module.BRIGHTNESS) - 1)
    assert 0.5 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.5


@given(st.permutations(list(STEPS)))
@settings(max_examples=10, deadline=None)
def test_steps_have_one_order(names: list[str]) -> None:
    images = pictures(3, 8, 20)
    one, other = augmentation(tuple(names), seed=0), augmentation(tuple(STEPS), seed=0)
    assert one is not None
    assert other is not None
    assert torch.equal(one(images, INDEX[:20], 0), other(images, INDEX[:20], 0))


def test_names() -> None:
    assert augmentation((), seed=0) is None
    assert augmentation(("none",), seed=0) is None
    with pytest.raises(RecipeError, match=r"there is no augmentation 'flips'\n.*did you mean 'flip'"):
        augmentation(("flips",), seed=0)
    with pytest.raises(RecipeError, match="augmentation none goes with no other, not with flip"):
        augmentation(("flip", "none"), seed=0)
