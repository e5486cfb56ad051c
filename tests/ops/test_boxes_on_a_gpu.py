"""The same answers on a GPU: suppression, matching, anchors, regions, fusion. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sonde.ops.anchors import unit_anchors
from sonde.ops.boxes import generalised_iou, iou
from sonde.ops.fusion import fuse
from sonde.ops.matching import match_best, match_thresholds
from sonde.ops.offsets import decode, encode
from sonde.ops.roi import roi_align, roi_align_levels, roi_max_pool
from sonde.ops.suppression import detections, suppress_batch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def given(device: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(2, 700, 2, generator=generator) * 60
    boxes = torch.cat([low, low + torch.rand(2, 700, 2, generator=generator) * 20 + 1], 2)
    scores, classes = torch.rand(2, 700, generator=generator), torch.randint(0, 3, (2, 700), generator=generator)
    tensors = {
        "boxes": boxes,
        "scores": scores,
        "classes": classes,
        "present": torch.arange(9).expand(2, -1) < torch.tensor([[9], [4]]),
        "x": torch.randn(2, 5, 20, 24, generator=generator),
        "picture": torch.randint(0, 2, (700,), generator=generator),
        "rows": torch.cat([boxes, classes[..., None], scores[..., None]], 2),
    }
    return {name: tensor.to(device) for name, tensor in tensors.items()}


OPERATIONS: dict[str, Callable[[dict[str, Tensor]], Tensor]] = {
    "iou": lambda t: iou(t["boxes"], t["boxes"][:, :50]),
    "generalised_iou": lambda t: generalised_iou(t["boxes"], t["boxes"][:, :50]),
    "anchors": lambda t: unit_anchors(5, 7, [0.2, 0.4], [1.0, 2.0], device=t["x"].device),
    "match_best": lambda t: match_best(t["boxes"], t["boxes"][:, :9] + 1, t["present"], threshold=0.5),
    "match_thresholds": lambda t: match_thresholds(t["boxes"], t["boxes"][:, :9] + 1, t["present"], low=0.3, high=0.7),
    "encode": lambda t: encode(t["boxes"][0], t["boxes"][1]),
    "decode": lambda t: decode(t["rows"][0, :, :4] / 100, t["boxes"][1]),
    "suppress_batch": lambda t: suppress_batch(t["boxes"], t["scores"], t["classes"], iou=0.4, most=300, floor=0.1),
    "detections": lambda t: detections(t["boxes"], t["scores"], t["classes"], iou=0.4, most=50),
    "roi_max_pool": lambda t: roi_max_pool(t["x"], t["boxes"][0], t["picture"], (3, 2), scale=0.25),
    "roi_align": lambda t: roi_align(t["x"], t["boxes"][0], t["picture"], (3, 2), scale=0.25, sampling=2),
    "roi_align_levels": lambda t: roi_align_levels([t["x"], t["x"][:, :, ::2, ::2]], t["boxes"][0] * 4, t["picture"], (3, 2), scales=[0.25, 0.125]),
    "fuse": lambda t: fuse([t["rows"][:, :40], t["rows"][:, 40:80]]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_equal_to_the_cpu(name: str) -> None:
    here, there = OPERATIONS[name](given("cpu")), OPERATIONS[name](given("cuda"))
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["roi_max_pool", "roi_align"])
def test_gradients_equal_those_of_the_cpu(name: str) -> None:
    gradients = []
    for device in ("cpu", "cuda"):
        tensors = given(device)
        tensors["x"].requires_grad_()
        OPERATIONS[name](tensors).square().sum().backward()
        assert tensors["x"].grad is not None
        gradients.append(tensors["x"].grad.cpu())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-4)
