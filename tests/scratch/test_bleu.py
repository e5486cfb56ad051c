"""BLEU against the course's example and its own limits."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch.bleu import bleu, brevity, precisions


def test_the_course_example() -> None:
    assert precisions("ABBCD", "ABCDEF") == pytest.approx([4 / 5, 3 / 4, 1 / 3, 0])
    assert brevity(5, 6) == pytest.approx(0.81873, abs=5e-6)
    assert bleu("ABBCD", "ABCDEF") == 0
    assert bleu("ABBCD", "ABCDEF", order=3) == pytest.approx(np.exp(-1 / 5) * (4 / 5) ** (1 / 2) * (3 / 4) ** (1 / 4) * (1 / 3) ** (1 / 8))


def test_the_label_itself_scores_one() -> None:
    assert bleu("ABCDEF", "ABCDEF") == 1
    assert bleu(["hello"], ["hello"]) == 1  # too short for bigrams, which are left out


def test_counts_are_clipped_by_the_label() -> None:
    assert precisions(["the"] * 7, ["the", "cat", "is", "on", "the", "mat"], order=2) == pytest.approx([2 / 7, 0])


def test_a_longer_prediction_is_not_punished_by_brevity_but_by_precision() -> None:
    assert brevity(9, 6) == 1
    assert bleu("ABCDEFG", "ABCDEF") < 1


def test_longer_matches_count_for_more() -> None:
    assert bleu("ABCXYZ", "ABCDEF", order=2) > bleu("AXBYCZ", "ABCDEF", order=2)


def test_an_empty_prediction_scores_zero_and_a_bad_order_is_an_error() -> None:
    assert bleu("", "ABC") == 0
    with pytest.raises(ValueError, match="order 1, not 0"):
        bleu("A", "A", order=0)
