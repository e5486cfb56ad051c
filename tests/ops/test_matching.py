"""Matching: the facts of the course, none is lost, equal to one picture at a time, region proposals' band."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops.boxes import iou
from sonde.ops.matching import IGNORED, NO_TRUTH, match_best, match_thresholds, of_matched
from sonde.scratch import matching as scratch

DOG, CAT = [0.1, 0.08, 0.52, 0.92], [0.55, 0.2, 0.9, 0.88]
ANCHORS = [[0, 0.1, 0.2, 0.3], [0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98], [0.66, 0.45, 0.8, 0.8], [0.57, 0.3, 0.92, 0.9]]


def drawn(seed: int, *shape: int, grid: bool) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(*shape, 2, generator=generator) * 6, torch.rand(*shape, 2, generator=generator) * 5
    boxes = torch.cat([low, low + size], -1)
    return boxes.round() if grid else boxes


def test_the_books_example_on_both_twins() -> None:
    """A dog and a cat, five anchors: of A₀ … A₄ the cat gets A₄, the dog A₁, and A₂ the cat, as their IoU is over a half."""
    expected = [NO_TRUTH, 0, 1, NO_TRUTH, 1]
    assert scratch.match_best(np.array(ANCHORS), np.array([DOG, CAT])).tolist() == expected
    assert match_best(torch.tensor([ANCHORS]), torch.tensor([[DOG, CAT]]), torch.ones(1, 2, dtype=torch.bool))[0].tolist() == expected


@given(st.integers(0, 9999), st.integers(1, 4), st.integers(0, 12), st.integers(0, 6), st.booleans(), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
@settings(max_examples=80, deadline=None)
def test_no_truth_is_lost_and_each_picture_is_as_alone(seed: int, pictures: int, count: int, slots: int, grid: bool, threshold: float) -> None:
    anchors, truths = drawn(seed, count, 4, grid=grid)[:, 0], drawn(seed + 1, pictures, slots, grid=grid)
    present = torch.rand(pictures, slots, generator=torch.Generator().manual_seed(seed)) < 0.7
    matched = match_best(anchors[None], truths, present, threshold=threshold)
    for own, boxes, there in zip(matched, truths, present, strict=True):
        numbers = there.nonzero()[:, 0]
        alone = torch.from_numpy(scratch.match_best(anchors.double().numpy(), boxes[there].double().numpy(), threshold=threshold))
        expected = torch.cat([numbers, torch.tensor([NO_TRUTH])])[alone]
        if not grid and threshold:  # rounding may decide a tie in float32
            assert own.tolist() == expected.tolist()
        if len(numbers) <= count:
            assert set(numbers.tolist()) <= set(own.tolist()), "a truth was lost"
        assert set(own.tolist()) <= {*numbers.tolist(), NO_TRUTH}, "an empty slot was matched"


def test_ties_go_to_the_first_anchor_and_the_first_slot() -> None:
    truths = torch.tensor([[[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]]])
    anchors = torch.tensor([[[5.0, 5, 6, 6], [0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 1]]])
    assert match_best(anchors, truths, torch.ones(1, 3, dtype=torch.bool), threshold=0.5).tolist() == [[NO_TRUTH, 0, 1, 2]]


def test_a_truth_that_overlaps_no_anchor_gets_one() -> None:
    truths, anchors = torch.tensor([[[50.0, 50, 60, 60], [7, 7, 7, 7]]]), torch.tensor([[[0.0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]])
    assert match_best(anchors, truths, torch.ones(1, 2, dtype=torch.bool)).tolist() == [[0, 1, NO_TRUTH]]


def test_more_truths_than_anchors() -> None:
    truths, anchors = torch.tensor([[[0.0, 0, 2, 2], [0, 0, 2, 3], [0, 0, 3, 3]]]), torch.tensor([[[0.0, 0, 2, 2]]])
    assert match_best(anchors, truths, torch.ones(1, 3, dtype=torch.bool)).tolist() == [[0]]


@pytest.mark.parametrize("rule", [match_best, lambda *given: match_thresholds(*given, low=0.3, high=0.7)])
def test_nothing_to_match(rule: object) -> None:
    assert callable(rule)
    anchors = torch.zeros(1, 3, 4)
    assert rule(anchors, torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.bool)).tolist() == [[NO_TRUTH] * 3] * 2
    assert rule(anchors, torch.zeros(2, 2, 4), torch.zeros(2, 2, dtype=torch.bool)).tolist() == [[NO_TRUTH] * 3] * 2
    assert rule(anchors[:, :0], torch.zeros(2, 2, 4), torch.ones(2, 2, dtype=torch.bool)).shape == (2, 0)
    assert rule(anchors, torch.zeros(0, 2, 4), torch.ones(0, 2, dtype=torch.bool)).shape == (0, 3)


def test_between_the_thresholds_nothing_is_learnt() -> None:
    truths = torch.tensor([[[0.0, 0, 10, 10], [20, 20, 30, 30]]])
    anchors = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 2], [22, 20, 32, 25], [22, 20, 32, 25]]])
    present = torch.ones(1, 2, dtype=torch.bool)
    rescued = match_thresholds(anchors, truths, present, low=0.3, high=0.7)
    assert rescued.tolist() == [[0, IGNORED, NO_TRUTH, 1, 1]], "both anchors that the second truth overlaps most are kept"
    plain = match_thresholds(anchors, truths, present, low=0.3, high=0.7, rescue=False)
    assert plain.tolist() == [[0, IGNORED, NO_TRUTH, IGNORED, IGNORED]]


@given(st.integers(0, 9999), st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_what_the_two_thresholds_mean(seed: int, count: int, slots: int) -> None:
    anchors, truths = drawn(seed, 2, count, grid=False), drawn(seed + 1, 2, slots, grid=False)
    overlap = iou(anchors, truths)
    matched = match_thresholds(anchors, truths, torch.ones(2, slots, dtype=torch.bool), low=0.2, high=0.6, rescue=False)
    best, truth = overlap.max(2)
    assert torch.equal(matched == NO_TRUTH, best < 0.2)
    assert torch.equal(matched == IGNORED, (best >= 0.2) & (best < 0.6))
    assert torch.equal(matched[matched >= 0], truth[matched >= 0])


def test_large_batches_in_parts_are_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    anchors, truths = drawn(0, 50, 1, grid=False)[None, :, 0], drawn(1, 7, 5, grid=False)
    present = torch.ones(7, 5, dtype=torch.bool)
    whole = match_best(anchors, truths, present, threshold=0.3)
    monkeypatch.setattr("sonde.ops.overlaps.PAIRS", {"cpu": 600})
    assert torch.equal(match_best(anchors, truths, present, threshold=0.3), whole)


def test_what_belongs_to_the_truths_of_the_anchors() -> None:
    classes = torch.tensor([[4, 5], [6, 7]])
    assert of_matched(classes, torch.tensor([[1, 0, NO_TRUTH], [IGNORED, 1, 1]])).tolist() == [[5, 4, 4], [6, 7, 7]]
