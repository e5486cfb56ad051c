"""Erasing, Mixup and CutMix: what is covered, by how much, and how often."""

from __future__ import annotations

import pytest
import torch

from data.augment.scenes import COUNT, INDEX, pictures, seen
from sonde.data.augment import mixing
from sonde.data.augment.draws import Draws
from sonde.data.augment.erase import Erase
from sonde.data.augment.scene import Scene
from sonde.ops import random


def test_erasing_covers_a_rectangle_with_the_mean_colour() -> None:
    images = pictures(3, 48)
    found = seen("erase", images, chance=1.0)
    changed = (found != images).any(1)
    for picture, mask, old in zip(found[:100], changed[:100], images[:100], strict=True):
        ys, xs = mask.nonzero().unbind(1)
        window = picture[:, ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        mean = old.float().mean((1, 2)).round()
        assert (window.float() == mean[:, None, None]).all()
        height, width = window.shape[1:]
        assert 0.01 < height * width / 48**2 < 0.45
        assert 0.2 < width / height < 5 or max(height, width) == 48
    assert 0.15 < changed.float().mean() < 0.25  # the mean of 2 … 40 %, less where sides are cut


def test_erasing_happens_as_often_as_it_is_said() -> None:
    images = pictures()
    share = (seen("erase", images) != images).flatten(1).any(1).float().mean()
    assert 0.18 < share < 0.32
    assert torch.equal(seen("erase", images, chance=0.0), images)


def test_a_covered_box_is_dropped_and_masks_stay() -> None:
    boxes = torch.tensor([[[0.0, 0, 32, 32], [14, 14, 18, 18]]]).repeat(COUNT, 1, 1)
    masks = torch.ones(COUNT, 32, 32, dtype=torch.int64)
    scene = Scene(pictures(1, 32), boxes, torch.ones(COUNT, 2, dtype=torch.bool), masks)
    found = Erase(chance=1.0, smallest=0.3)(scene, Draws(0, 0, INDEX))
    assert found.kept is not None
    assert found.masks is not None
    assert found.kept[:, 0].all()
    covered = (found.pictures[:, 0, 14:18, 14:18] == found.pictures[:, :, 16:17, 16:17][:, 0]).flatten(1).all(1)
    assert not (found.kept[:, 1] & covered).any()
    assert found.kept[:, 1].float().mean() < 0.8
    assert torch.equal(found.masks, masks)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0, 50.0])
def test_beta_has_its_mean_and_variance(alpha: float) -> None:
    drawn = random.beta(3, 0, torch.arange(50_000), 5, alpha=alpha).double()
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(drawn.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    fourth = 3 / 16 / ((2 * alpha + 1) * (2 * alpha + 3))  # the fourth central moment of Beta(α, α)
    assert float((drawn - 0.5).pow(4).mean()) == pytest.approx(fourth, rel=0.05)


def test_many_normals_are_normal() -> None:
    drawn = random.normals(1, 2, torch.arange(200), 7, 1_001).double()
    assert drawn.shape == (200, 1_001)
    assert torch.equal(random.normals(1, 2, torch.tensor([5]), 7, 1_001)[0].double(), drawn[5])
    moments = [float(drawn.pow(power).mean()) for power in (1, 2, 3, 4)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=0.03)
    assert abs(float((drawn[:, 0] * drawn[:, 501]).mean())) < 0.2  # the two numbers of one pair


def test_mixup_is_the_weighted_mean() -> None:
    images, mix = pictures(), mixing(("mixup:1",), seed=0)
    assert mix is not None
    others = images.flip(0)
    found, shares = mix(images, others, INDEX, 0)
    weight = shares[:, None, None, None]
    torch.testing.assert_close(found, weight * images + (1 - weight) * others, atol=1e-3, rtol=0)
    assert 0.5 <= shares.min() < 0.52
    assert float(shares.mean()) == pytest.approx(0.75, abs=0.02)  # of the greater of λ and 1 − λ, λ uniform


def test_cutmix_pastes_a_rectangle_and_its_share_is_exact() -> None:
    images, others = torch.zeros(COUNT, 3, 32, 32, dtype=torch.uint8), torch.full((COUNT, 3, 32, 32), 255, dtype=torch.uint8)
    mix = mixing(("cutmix",), seed=0)
    assert mix is not None
    found, shares = mix(images, others, INDEX, 0)
    assert found.dtype == torch.uint8
    pasted = (found == 255)[:, 0]
    assert torch.allclose(1 - pasted.float().mean((1, 2)), shares)
    for mask in pasted[:100]:
        if mask.any():
            ys, xs = mask.nonzero().unbind(1)
            assert mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].all()
    assert shares.min() >= 0.5 - 0.05  # whole pixels
    assert pasted.any(0).all()


def test_both_take_turns_by_a_coin() -> None:
    images, others = torch.zeros(COUNT, 1, 16, 16), torch.full((COUNT, 1, 16, 16), 255.0)
    mix = mixing(("mixup:2", "cutmix"), seed=0)
    assert mix is not None
    found, shares = mix(images, others, INDEX, 0)
    torch.testing.assert_close(1 - found.mean((1, 2, 3)) / 255, shares, atol=1e-4, rtol=0)
    flat = found.flatten(1).amax(1) == found.flatten(1).amin(1)
    assert 0.4 < flat.float().mean() < 0.65  # mixed evenly, or nothing was pasted


def test_partners_are_anyone() -> None:
    mix = mixing(("mixup",), seed=0)
    assert mix is not None
    partners = mix.partners(torch.arange(20_000), 0, 10)
    counts = torch.bincount(partners, minlength=10)
    assert len(counts) == 10
    assert counts.min() > 1_800
