"""Suppression: equal to the greedy loop whatever the boxes, classes, ties and parts; batches with padding; memory that is linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops import overlaps, suppression
from sonde.ops.suppression import NONE, detections, suppress, suppress_batch
from sonde.scratch.non_maximum_suppression import non_maximum_suppression

DOGS_AND_CAT = torch.tensor([[0.1, 0.08, 0.52, 0.92], [0.08, 0.2, 0.56, 0.95], [0.15, 0.3, 0.62, 0.91], [0.55, 0.2, 0.9, 0.88]])
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.95])


def drawn(rng: np.random.Generator, kind: str, *shape: int) -> np.ndarray:
    """Scattered boxes; on a grid (they touch, are equal, have no area); all around one place; as long as thin."""
    low, size = rng.uniform(0, 40, (*shape, 2)), rng.uniform(0, 12, (*shape, 2))
    if kind == "crowded":
        low, size = rng.uniform(0, 3, (*shape, 2)), rng.uniform(9, 12, (*shape, 2))
    if kind == "thin":
        size = size * np.where(rng.random(shape)[..., None] < 0.5, [8.0, 0.05], [0.05, 8.0])
    boxes = np.concatenate([low, low + size], -1).astype(np.float32)
    return boxes.round() if kind == "grid" else boxes


@given(
    st.integers(0, 9999),
    st.integers(0, 150),
    st.integers(1, 5),
    st.sampled_from(["scattered", "grid", "crowded", "thin"]),
    st.sampled_from([0.0, 0.3, 0.5, 1 / 3, 0.9, 1.0]),
    st.sampled_from([(5, 60), (16, 900), (64, 1 << 18)]),
)
@settings(max_examples=60, deadline=None)
def test_equal_to_the_greedy_loop(seed: int, n: int, classes: int, kind: str, threshold: float, parts: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    boxes, scores, number = drawn(rng, kind, n), rng.integers(0, 20, n).astype(np.float32), rng.integers(0, classes, n)
    expected = non_maximum_suppression(boxes, scores, threshold, classes=number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression, "BLOCK", parts[0])
        patch.setattr(overlaps, "PAIRS", {"cpu": parts[1]})
        found = suppress(torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(number), iou=threshold)
    assert found.tolist() == expected.tolist()


@given(st.integers(0, 999), st.integers(1, 4), st.integers(0, 60), st.integers(0, 40))
@settings(max_examples=15, deadline=None)
def test_pictures_do_not_touch_each_other(seed: int, pictures: int, n: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = torch.from_numpy(drawn(rng, "crowded", pictures, n))
    scores = torch.from_numpy(rng.integers(0, 20, (pictures, n)).astype(np.float32))
    classes = torch.from_numpy(rng.integers(0, 2, (pictures, n)))
    together = suppress_batch(boxes, scores, classes, iou=0.4, most=most, floor=3.0)
    assert together.shape == (pictures, most)
    for own, box, score, number in zip(together, boxes, scores, classes, strict=True):
        taking = (score > 3).nonzero()[:, 0]
        alone = taking[suppress(box[taking], score[taking], number[taking], iou=0.4, most=most)]
        assert own.tolist() == alone.tolist() + [NONE] * (most - len(alone))


def test_of_three_boxes_on_one_dog_the_best_is_kept() -> None:
    assert suppress(DOGS_AND_CAT, SCORES, iou=0.5).tolist() == [3, 0]
    assert suppress(DOGS_AND_CAT, SCORES, torch.tensor([0, 0, 1, 0]), iou=0.5).tolist() == [3, 0, 2]
    assert suppress(DOGS_AND_CAT, SCORES, torch.tensor([0.0, 0, 1, 0]), iou=0.5, most=2).tolist() == [3, 0]


def test_an_overlap_of_just_the_threshold_is_kept() -> None:
    boxes, scores = torch.tensor([[0.0, 0, 2, 1], [1, 0, 3, 1]]), torch.tensor([1.0, 2.0])  # IoU 1/3
    assert suppress(boxes, scores, iou=1 / 3).tolist() == [1, 0]
    assert suppress(boxes, scores, iou=0.33).tolist() == [1]


def test_a_chain_is_followed_to_its_end() -> None:
    """Each box overlaps the next: the first drops the second, so the third stays, and so on; the iteration needs as many passes as boxes."""
    left = torch.arange(200.0)[:, None] * 0.5
    boxes = torch.cat([left, torch.zeros(200, 1), left + 1, torch.ones(200, 1)], 1)
    assert suppress(boxes, -torch.arange(200.0), iou=0.3).tolist() == list(range(0, 200, 2))


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan, 1e30])
def test_boxes_without_a_finite_area_drop_nothing_and_are_not_dropped(value: float) -> None:
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, value, value], [0, 0, 1, 1], [0, 0, value, value]])
    assert suppress(boxes, torch.tensor([1.0, 2, 0.5, 3]), iou=0.5).tolist() == [3, 1, 0]


def test_huge_coordinates_of_other_classes_do_not_lose_precision() -> None:
    """Shifting each class by the largest coordinate, as is often done, would round these boxes onto each other."""
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 0.4], [1e8, 1e8, 2e8, 2e8]])
    assert suppress(boxes, torch.tensor([3.0, 2, 1]), torch.tensor([70, 70, 3]), iou=0.5).tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_number_formats(dtype: torch.dtype) -> None:
    assert suppress(DOGS_AND_CAT.to(dtype), SCORES.to(dtype), iou=0.5).tolist() == [3, 0]


def test_nothing_to_suppress() -> None:
    assert suppress(torch.zeros(0, 4), torch.zeros(0), iou=0.5).shape == (0,)
    assert suppress_batch(torch.zeros(2, 0, 4), torch.zeros(2, 0), iou=0.5, most=3).tolist() == [[NONE] * 3] * 2
    assert suppress_batch(torch.zeros(2, 3, 4), torch.full((2, 3), -torch.inf), torch.zeros(2, 3), iou=0.5, most=1).tolist() == [[NONE]] * 2
    assert suppress(DOGS_AND_CAT[:1], SCORES[:1], iou=0.5).tolist() == [0]


def test_shapes_alone_are_known_without_values() -> None:
    found = suppress_batch(torch.zeros(2, 9, 4, device="meta"), torch.zeros(2, 9, device="meta"), iou=0.5, most=5)
    assert found.is_meta
    assert found.shape == (2, 5)


def test_rows_of_detections() -> None:
    rows = detections(DOGS_AND_CAT[None], SCORES[None], torch.tensor([[1, 1, 1, 4]]), iou=0.5, most=3)
    expected = torch.zeros(1, 3, 6)
    expected[0, 0, :4], expected[0, 0, 4:] = DOGS_AND_CAT[3], torch.tensor([4, 0.95])
    expected[0, 1, :4], expected[0, 1, 4:] = DOGS_AND_CAT[0], torch.tensor([1, 0.9])
    assert torch.equal(rows, expected)
    assert detections(DOGS_AND_CAT[None], SCORES[None], torch.zeros(1, 4), iou=0.5, most=3, floor=0.92)[0, :, 5].tolist() == pytest.approx([0.95, 0, 0])
    assert detections(torch.zeros(1, 0, 4), torch.zeros(1, 0), torch.zeros(1, 0), iou=0.5, most=2).tolist() == [[[0.0] * 6] * 2]


def test_the_largest_tensor_grows_with_the_boxes_not_with_their_square() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func: object, types: object, args: tuple[object, ...] = (), kwargs: object = None) -> object:
            assert callable(func)
            out = func(*args, **(kwargs or {}))
            self.size = max([self.size, *(x.numel() for x in (out if isinstance(out, tuple) else (out,)) if isinstance(x, Tensor))])
            return out

    n = 30_000
    rng = np.random.default_rng(0)
    boxes, scores = torch.from_numpy(drawn(rng, "crowded", n)), torch.from_numpy(rng.random(n, np.float32))
    for classes in (None, torch.from_numpy(rng.integers(0, 80, n)), torch.cat([torch.zeros(n - 500), torch.arange(500.0)])):
        with Largest() as largest:
            suppress(boxes, scores, classes, iou=0.5)
        assert largest.size <= 3 * 2**20, "10 MB, where all overlaps of one class would be 3.6 GB"
