"""Exact match and F1, computed by hand from their description."""

from __future__ import annotations

import math

import pytest

from sonde.metrics.squad import AnswerF1, ExactMatch, exact_match, f1, normalised


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The  Denver Broncos!", "denver broncos"),
        ("an apple, a day", "apple day"),
        ("theatre and another", "theatre and another"),  # articles are whole words
        ("$24-10", "2410"),
        ("“Zoë”", "“zoë”"),  # only ASCII punctuation goes
        ("\tA\nthe ", ""),
    ],
)
def test_normalised(text: str, wanted: str) -> None:
    assert normalised(text) == wanted


@pytest.mark.parametrize(
    ("answer", "right", "exact", "score"),
    [
        ("the Eiffel Tower", "Eiffel tower.", 1.0, 1.0),
        ("in Paris", "Paris", 0.0, 2 / 3),  # precision 1/2, recall 1
        ("a b b c", "b b d", 0.0, 4 / 6),  # "a" is an article: b b c against b b d share two words
        ("Rome", "Paris", 0.0, 0.0),
        ("", "Paris", 0.0, 0.0),
        ("", "", 1.0, 1.0),
        ("the", "", 1.0, 1.0),
    ],
)
def test_one_right_answer(answer: str, right: str, exact: float, score: float) -> None:
    assert exact_match(answer, right) == exact
    assert f1(answer, right) == pytest.approx(score)


def test_the_best_of_several_right_answers_counts() -> None:
    written = ["in Paris", "Oslo", "", "x"]
    right = [["Paris, France", "Paris"], ["Oslo", "Bergen"], [], ["the", "x y"]]
    assert ExactMatch().of_texts(written, right) == 2 / 4
    assert AnswerF1().of_texts(written, right) == pytest.approx((2 / 3 + 1 + 1 + 2 / 3) / 4)


def test_an_answer_where_there_is_none_is_wrong() -> None:
    assert AnswerF1().of_texts(["Paris"], [[]]) == 0


def test_no_questions_have_no_measure() -> None:
    assert math.isnan(ExactMatch().of_texts([], []))
