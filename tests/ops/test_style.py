"""The losses of style transfer by hand, and what a Gram matrix does not see."""

from __future__ import annotations

import torch

from sonde.ops.style import content_loss, gram, style_loss, total_variation


def test_gram_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels of 1×2
    assert torch.equal(gram(maps) * 4, torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]))


def test_places_do_not_matter_to_style() -> None:
    maps = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shuffled = maps.flatten(2)[:, :, torch.randperm(20, generator=torch.Generator().manual_seed(1))].view_as(maps)
    assert float(style_loss(shuffled, gram(maps))) < 1e-25
    assert float(content_loss(shuffled, maps)) > 0.1


def test_losses_of_the_same_picture_are_zero() -> None:
    maps = torch.randn(1, 3, 5, 4)
    assert content_loss(maps, maps) == 0
    assert style_loss(maps, gram(maps)) == 0


def test_total_variation_by_hand() -> None:
    assert total_variation(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])) == ((2 + 4) / 2 + (1 + 3) / 2) / 2
    assert total_variation(torch.full((1, 3, 4, 4), 7.0)) == 0
    assert total_variation(torch.ones(1, 3, 1, 1)) == 0
