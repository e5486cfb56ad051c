"""Mining, the focal loss, assignment, and the way from scores to an answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.ops.assignment import candidates, task_aligned
from sonde.ops.candidates import best_boxes
from sonde.ops.focal import focal
from sonde.ops.matching import NO_TRUTH
from sonde.ops.mining import hard_negatives


def test_three_of_the_hardest_negatives_for_one_positive() -> None:
    losses = torch.tensor([[9.0, 1, 5, 4, 3, 8], [1, 2, 3, 4, 5, 6]])
    positive = torch.tensor([[True, False, False, False, False, False], [False] * 6])
    assert hard_negatives(losses, positive).tolist() == [[False, False, True, True, False, True], [False] * 6]
    assert hard_negatives(losses, positive, least=2).tolist()[1] == [False] * 4 + [True] * 2
    eligible = torch.tensor([[True, True, False, True, True, True], [False] * 6])
    assert hard_negatives(losses, positive, least=2, eligible=eligible).tolist() == [[False, False, False, True, True, True], [False] * 6]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_mining_hears_of_one_picture_at_a_time(seed: int, pictures: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    losses, positive = torch.rand(pictures, 30, generator=generator), torch.rand(pictures, 30, generator=generator) < 0.1
    together = hard_negatives(losses, positive)
    assert torch.equal(together, torch.cat([hard_negatives(losses[i : i + 1], positive[i : i + 1]) for i in range(pictures)]))
    assert not (together & positive).any()
    assert together.sum(1).tolist() == torch.minimum(3 * positive.sum(1), (~positive).sum(1)).tolist()


def test_focal_loss_is_the_papers() -> None:
    z, t = torch.randn(50, dtype=torch.float64), (torch.rand(50) < 0.5).double()
    p = torch.where(t > 0, z.sigmoid(), 1 - z.sigmoid())
    torch.testing.assert_close(focal(z, t, gamma=2.0), -((1 - p) ** 2) * p.log())
    torch.testing.assert_close(focal(z, t, gamma=0.0), F.binary_cross_entropy_with_logits(z, t, reduction="none"))
    quality = torch.rand(50, dtype=torch.float64)
    at = torch.logit(quality).requires_grad_()
    value = focal(at, quality, gamma=2.0).sum()
    value.backward()
    assert at.grad is not None
    assert float(value) < 1e-20  # nothing is left to learn where the score is the quality
    assert float(at.grad.abs().max()) < 1e-12


def test_candidates_lie_inside_or_hold_the_centre() -> None:
    points, strides = torch.tensor([[4.0, 4], [12, 4], [16, 16]]), torch.tensor([8.0, 8, 32])
    truths = torch.tensor([[[0.0, 0, 10, 10], [11, 2, 11.5, 2.5], [100, 100, 120, 120]]])
    assert candidates(points, strides, truths).tolist() == [[[True, False, True], [False, True, True], [False, False, False]]]


def test_the_best_aligned_places_learn_and_contended_ones_go_to_the_larger_overlap() -> None:
    points, strides = torch.tensor([[5.0, 5], [15, 5], [25, 5]]), torch.full((3,), 10.0)
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 20, 10], [20, 0, 30, 10]]])
    truths = torch.tensor([[[0.0, 0, 20, 10], [0, 0, 10, 10], [0, 0, 0, 0]]])
    real, classes = torch.tensor([[True, True, False]]), torch.tensor([[0, 1, 0]])
    scores = torch.full((1, 3, 2), 0.5)
    matched, quality = task_aligned(scores, boxes, points, strides, truths, classes, real, top=2)
    assert matched.tolist() == [[1, 0, NO_TRUTH]]  # the first place's box is truth 1's own, of truth 0 it has half
    torch.testing.assert_close(quality, torch.tensor([[1.0, 1.0, 0.0]]))


def test_a_truth_that_no_box_overlaps_still_has_a_place() -> None:
    points, strides = torch.tensor([[4.0, 4], [12, 4]]), torch.full((2,), 8.0)
    boxes = torch.tensor([[[50.0, 50, 60, 60], [50, 50, 60, 60]]])
    truths = torch.tensor([[[3.0, 3, 4, 4]]])
    classes, real = torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.bool)
    matched, quality = task_aligned(torch.full((1, 2, 1), 0.1), boxes, points, strides, truths, classes, real)
    assert matched.tolist() == [[0, NO_TRUTH]]
    assert not quality.any()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_assignment_hears_of_one_picture_at_a_time(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points, strides = torch.rand(40, 2, generator=generator) * 100, torch.full((40,), 8.0)
    low = torch.rand(3, 40, 2, generator=generator) * 80
    boxes = torch.cat([low, low + 20], 2)
    corner = torch.rand(3, 5, 2, generator=generator) * 60
    truths = torch.cat([corner, corner + 10 + 30 * torch.rand(3, 5, 2, generator=generator)], 2)
    scores, classes = torch.rand(3, 40, 4, generator=generator), torch.randint(4, (3, 5), generator=generator)
    real = torch.rand(3, 5, generator=generator) < 0.7
    matched, quality = task_aligned(scores, boxes, points, strides, truths, classes, real)
    for i in range(3):
        one = slice(i, i + 1)
        alone = task_aligned(scores[one], boxes[one], points, strides, truths[one], classes[one], real[one])
        assert torch.equal(alone[0], matched[one])
        torch.testing.assert_close(alone[1], quality[one])
    slots = torch.where(matched >= 0, matched, 0)
    assert real.gather(1, slots)[matched >= 0].all()
    assert ((quality >= 0) & (quality <= 1)).all()


def test_a_place_can_answer_with_several_classes_and_doubles_are_dropped() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]]])
    scores = torch.tensor([[[0.9, 0.6], [0.8, 0.1], [0.0, 0.3]]])
    found = best_boxes(boxes, scores, iou=0.5, most=5, floor=0.2)
    assert found[0, :, 4].tolist() == [0, 1, 1, 0, 0]
    torch.testing.assert_close(found[0, :, 5], torch.tensor([0.9, 0.6, 0.3, 0.0, 0.0]))
