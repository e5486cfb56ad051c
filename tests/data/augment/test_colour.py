"""Steps that change tones: colour, grey, blur and noise."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter

from data.augment.scenes import COUNT, fix, pictures, seen
from sonde.data.augment import draws as at
from sonde.data.augment.colour import luma
from sonde.data.augment.draws import Draws


def only(monkeypatch: pytest.MonkeyPatch, **factors: float) -> None:
    """Fix the factors of colour; 1 changes nothing."""
    places = {"brightness": at.BRIGHTNESS, "contrast": at.CONTRAST, "saturation": at.SATURATION, "hue": at.HUE}
    fix(monkeypatch, {places[name]: factor - 0.5 for name, factor in factors.items()})


def test_colour_with_factors_of_1_is_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    for channels in (1, 3):
        images = pictures(channels)
        torch.testing.assert_close(seen("colour", images), images.float(), atol=1e-2, rtol=0)


def test_brightness_contrast_and_saturation_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    images = (pictures() // 4 + 60).float()
    luma = (images * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    only(monkeypatch, brightness=1.4)
    torch.testing.assert_close(seen("colour", images), 1.4 * images, atol=1e-2, rtol=0)
    only(monkeypatch, contrast=0.6)
    torch.testing.assert_close(seen("colour", images), 0.6 * images + 0.4 * luma.mean((2, 3), keepdim=True), atol=1e-1, rtol=0)
    only(monkeypatch, saturation=0.5)
    torch.testing.assert_close(seen("colour", images), 0.5 * images + 0.5 * luma, atol=1e-1, rtol=0)
    grey = images[:, :1]
    only(monkeypatch, contrast=0.6, brightness=1.2, saturation=0.5, hue=0.7)
    bright = 1.2 * grey
    torch.testing.assert_close(seen("colour", grey), 0.6 * bright + 0.4 * bright.mean((2, 3), keepdim=True), atol=1e-2, rtol=0)


def test_hue_turns_colours_and_keeps_grey_and_luma(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, hue=1 + 1 / 3)
    grey = pictures(1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(seen("colour", grey), grey.float(), atol=0.1, rtol=0)
    weak = torch.tensor([140.0, 120.0, 120.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    found = seen("colour", weak)[0, :, 0, 0]
    luma = torch.tensor([0.299, 0.587, 0.114])
    assert float(found @ luma) == pytest.approx(float(weak[0, :, 0, 0] @ luma), abs=0.1)
    before, after = (colorsys.rgb_to_hsv(*(c / 255))[0] for c in (weak[0, :, 0, 0].numpy(), found.numpy()))
    turned = (after - before) % 1
    assert min(abs(turned - 1 / 3), abs(turned - 2 / 3)) < 0.06  # YIQ's angles are not quite those of HSV


def test_factors_span_half_to_one_and_a_half() -> None:
    factors = 1 + 0.5 * (2 * Draws(0, 0, torch.arange(10_000)).uniform(at.BRIGHTNESS) - 1)
    assert 0.5 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.5


@pytest.mark.parametrize(("name", "peer"), [("brightness", "Brightness"), ("contrast", "Contrast"), ("saturation", "Color")])
@pytest.mark.parametrize("factor", [0.6, 1.0, 1.3])
def test_colours_are_pillows_where_the_definitions_agree(monkeypatch: pytest.MonkeyPatch, name: str, peer: str, factor: float) -> None:
    """Pillow cuts fractions off, and takes the mean luma as a whole number; hue has no counterpart there."""
    images = pictures(3, 16, 5)
    only(monkeypatch, **{name: factor})
    found = seen("colour", images)
    for one, mine in zip(images, found, strict=True):
        wanted = getattr(ImageEnhance, peer)(Image.fromarray(one.permute(1, 2, 0).numpy())).enhance(factor)
        difference = mine.permute(1, 2, 0) - torch.from_numpy(np.array(wanted)).float()
        assert difference.abs().max() < 1.6


def test_grey_is_pillows_luma_in_a_fifth_of_the_cases() -> None:
    images = pictures()
    wanted = np.array(Image.fromarray(images[0].permute(1, 2, 0).numpy()).convert("L"))
    assert torch.equal(luma(images)[0, 0], torch.from_numpy(wanted))
    found = seen("grey", images)
    grey = (found == luma(images)).flatten(1).all(1)
    same = (found == images).flatten(1).all(1)
    assert (grey | same).all()
    assert 0.14 < grey.float().mean() < 0.26
    only_one = pictures(1)
    assert torch.equal(seen("grey", only_one, chance=1.0), only_one)


def test_blur_is_the_gaussian_inside_and_keeps_flat_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = torch.full((3, 1, 20, 20), 90, dtype=torch.uint8)
    torch.testing.assert_close(seen("blur", flat, chance=1.0), flat.float(), atol=1e-3, rtol=0)
    fix(monkeypatch, {at.BLUR: 1.0, at.BLURRED: 0.0})
    point = torch.zeros(1, 1, 31, 31)
    point[0, 0, 15, 15] = 255
    found = seen("blur", point, sigma=2.0)[0, 0] / 255
    x = torch.arange(31.0) - 15
    curve = torch.exp(-x.square() / 8) / torch.exp(-x.square() / 8).sum()
    torch.testing.assert_close(found, curve[:, None] * curve, atol=1e-6, rtol=1e-3)
    # Pillow's is three boxes that come near to it.
    photo = (pictures(1, 31, 1)[0, 0] // 2 + 60).numpy()
    theirs = torch.from_numpy(np.array(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(2)))).float()
    ours = seen("blur", torch.from_numpy(photo)[None, None], sigma=2.0)[0, 0]
    assert (ours - theirs)[6:-6, 6:-6].abs().max() < 4


def test_half_are_blurred() -> None:
    images = pictures()
    changed = (seen("blur", images) - images).abs().flatten(1).amax(1) > 0.5
    assert 0.4 < changed.float().mean() < 0.6


def test_noise_has_its_deviation() -> None:
    images = torch.full((COUNT, 3, 16, 16), 128, dtype=torch.uint8)
    moved = seen("noise", images, sd=20.0) - 128
    assert float(moved.std()) == pytest.approx(20, rel=0.01)
    assert abs(float(moved.mean())) < 0.3
    assert not torch.equal(moved[0], moved[1])
    assert abs(float((moved[:, 0] * moved[:, 1]).mean())) < 5  # four standard errors
    assert seen("noise", images, sd=0.0).eq(128).all()
