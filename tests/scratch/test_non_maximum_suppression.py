"""Suppression: known boxes, and what defines the kept set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.scratch.box import intersection_over_union
from sonde.scratch.non_maximum_suppression import non_maximum_suppression

DOGS_AND_CAT = np.array([[0.1, 0.08, 0.52, 0.92], [0.08, 0.2, 0.56, 0.95], [0.15, 0.3, 0.62, 0.91], [0.55, 0.2, 0.9, 0.88]])


def test_of_three_boxes_on_one_dog_the_best_is_kept() -> None:
    np.testing.assert_array_equal(non_maximum_suppression(DOGS_AND_CAT, np.array([0.9, 0.8, 0.7, 0.95]), 0.5), [3, 0])


def test_of_equal_scores_the_earlier_is_kept() -> None:
    boxes = np.repeat(DOGS_AND_CAT[:1], 3, axis=0)
    np.testing.assert_array_equal(non_maximum_suppression(boxes, np.ones(3), 0.5), [0])


def test_an_overlap_of_just_the_threshold_is_kept() -> None:
    boxes = np.array([[0.0, 0, 2, 1], [1, 0, 3, 1]])  # IoU 1/3
    scores = np.array([1.0, 2.0])
    np.testing.assert_array_equal(non_maximum_suppression(boxes, scores, 1 / 3), [1, 0])
    np.testing.assert_array_equal(non_maximum_suppression(boxes, scores, 0.33), [1])


def test_classes_do_not_suppress_each_other() -> None:
    boxes, scores = np.repeat(DOGS_AND_CAT[:1], 4, axis=0), np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(non_maximum_suppression(boxes, scores, 0.5, classes=np.array([0, 1, 0, 1])), [3, 2])


def test_no_boxes() -> None:
    assert non_maximum_suppression(np.zeros((0, 4)), np.zeros(0), 0.5).shape == (0,)


def test_lengths_that_differ() -> None:
    with pytest.raises(ValueError, match=r"boxes \(2, 4\) and scores \(3,\)"):
        non_maximum_suppression(np.zeros((2, 4)), np.zeros(3), 0.5)


@given(n=st.integers(1, 30), seed=st.integers(0, 999), threshold=st.sampled_from([0.0, 0.3, 0.5, 0.9]))
@settings(max_examples=50, deadline=None)
def test_kept_boxes_are_apart_and_each_dropped_one_overlaps_a_better_kept_one(n: int, seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 5, (n, 2))
    boxes, scores = np.concatenate([low, low + rng.uniform(0.5, 5, (n, 2))], axis=1), rng.integers(0, 5, n).astype(float)
    kept = non_maximum_suppression(boxes, scores, threshold)
    overlaps = intersection_over_union(boxes, boxes) > threshold
    assert (np.diff(scores[kept]) <= 0).all()
    assert not (overlaps & ~np.eye(n, dtype=bool))[np.ix_(kept, kept)].any()
    for dropped in set(range(n)) - set(kept.tolist()):
        assert (overlaps[dropped, kept] & (scores[kept] >= scores[dropped])).any()
