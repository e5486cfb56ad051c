"""Masks of boxes put into their pictures."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from sonde.ops.paste import paste_masks


def test_each_pixel_is_interpolated_at_its_centre() -> None:
    """Against PyTorch's sampling of the same places, of boxes inside the picture, across its edge, and smaller than a pixel."""
    draw = torch.Generator().manual_seed(0)
    masks = torch.rand(4, 28, 28, generator=draw)
    boxes = torch.tensor([[3.2, 5.1, 30.7, 41.9], [-8.0, 2.0, 20.0, 60.0], [10.0, 10.0, 10.4, 10.3], [0.0, 0.0, 40.0, 50.0]])
    height, width = 50, 40
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    low, size = boxes[:, None, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None, None]
    grid = (torch.stack([x, y], -1) - low) / size * 2 - 1
    right = F.grid_sample(masks[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[:, 0]
    torch.testing.assert_close(paste_masks(masks, boxes, height=height, width=width), right, atol=1e-5, rtol=0)


def test_a_whole_mask_covers_its_box() -> None:
    pasted = paste_masks(torch.ones(1, 28, 28), torch.tensor([[4.0, 6.0, 24.0, 16.0]]), height=20, width=30)[0] > 0.5
    expected = torch.zeros(20, 30, dtype=torch.bool)
    expected[6:16, 4:24] = True
    assert torch.equal(pasted, expected)


def test_no_masks_and_no_room() -> None:
    assert paste_masks(torch.ones(0, 28, 28), torch.zeros(0, 4), height=3, width=5).shape == (0, 3, 5)
    assert paste_masks(torch.ones(1, 28, 28), torch.tensor([[2.0, 2.0, 2.0, 2.0]]), height=3, width=5).isfinite().all()
