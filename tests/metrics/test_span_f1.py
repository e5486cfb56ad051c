"""Spans as the CoNLL evaluation counts them: facts by hand, and a plain reading of its rules beside the fast one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from sonde.metrics.span_f1 import Scheme, SpanF1, SpanPrecision, SpanRecall
from sonde.metrics.tags import TagAccuracy, TagLoss
from sonde.ops.losses import NO_TARGET

TAGS = ("O", "B-x", "B-y", "E-x", "E-y", "I-x", "I-y", "S-x", "S-y")


@dataclass(frozen=True)
class Of:
    targets: Tensor | None
    inputs: tuple[Tensor, ...] = ()


def numbers(*sentences: str) -> Tensor:
    rows = [[TAGS.index(tag) for tag in sentence.split()] for sentence in sentences]
    longest = max(map(len, rows))
    return torch.tensor([row + [NO_TARGET] * (longest - len(row)) for row in rows])


def logits(tags: Tensor) -> Tensor:
    return F.one_hot(tags.clamp(min=0), len(TAGS)).double()


def plain(tags: list[str]) -> set[tuple[int, int, str]]:
    """The spans (first, last, type) by the rules of conlleval, written out tag by tag."""
    spans, start = [], -1
    before, before_type = "O", ""
    for place, tag in enumerate([*tags, "O"]):
        letter, _, kind = tag.partition("-")
        ends = before in "ES" or (before in "BI" and letter in "BSO") or (before != "O" and before_type != kind)
        begins = letter in "BS" or (before in "ESO" and letter in "EI") or (letter != "O" and before_type != kind)
        if before != "O" and ends:
            spans.append((start, place - 1, before_type))
        if letter != "O" and begins:
            start = place
        before, before_type = letter, kind
    return set(spans)


def fast(tags: Tensor) -> list[set[tuple[int, int, str]]]:
    begins, types, stop = Scheme(TAGS).spans(tags)
    return [
        {(place, int(stop[row, place]) - 1, "xy"[int(types[row, place]) - 1]) for place in torch.nonzero(begins[row]).flatten().tolist()}
        for row in range(len(tags))
    ]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-x I-x O B-y", {(0, 1, "x"), (3, 3, "y")}),
        ("O I-x I-x O", {(1, 2, "x")}),
        ("B-x B-x I-y", {(0, 0, "x"), (1, 1, "x"), (2, 2, "y")}),
        ("B-x I-x E-x S-x E-x", {(0, 2, "x"), (3, 3, "x"), (4, 4, "x")}),
        ("O O", set()),
    ],
)
def test_spans_by_hand(tags: str, spans: set[tuple[int, int, str]]) -> None:
    assert fast(numbers(tags)) == [spans]
    assert plain(tags.split()) == spans


@given(st.lists(st.lists(st.sampled_from(TAGS), min_size=1, max_size=9), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_both_readings_agree(sentences: list[list[str]]) -> None:
    assert fast(numbers(*(" ".join(sentence) for sentence in sentences))) == [plain(sentence) for sentence in sentences]


def test_f1_precision_and_recall_by_hand() -> None:
    truth = numbers("B-x I-x O B-y", "B-x O")
    found = numbers("B-x I-x O B-x", "B-x I-x")  # right: 1; found: 3; true: 3
    batch = Of(truth)
    for metric, value in ((SpanF1(TAGS), 1 / 3), (SpanPrecision(TAGS), 1 / 3), (SpanRecall(TAGS), 1 / 3)):
        state = metric.state(logits(found), batch)
        assert state.tolist() == [1, 3, 3]
        assert metric.value(state) == pytest.approx(value)
    half = numbers("B-x I-x O O", "O O")
    assert SpanF1(TAGS).value(SpanF1(TAGS).state(logits(half), batch)) == pytest.approx(2 * 1 / (1 + 3))
    assert SpanF1(TAGS).better == "higher"


def test_what_stands_after_the_end_does_not_count() -> None:
    truth = numbers("B-x", "O O O")
    answers = logits(numbers("B-x I-x B-y", "O O O"))
    answers[0, 1:] = -torch.inf
    assert SpanF1(TAGS).state(answers, Of(truth)).tolist() == [1, 1, 1]
    assert TagAccuracy().state(answers, Of(truth)).tolist() == [4, 4]
    assert TagLoss().state(answers, Of(truth)).isfinite().all()


def test_states_of_batches_add_up() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, answers = torch.randint(len(TAGS), (6, 7), generator=generator), torch.randn(6, 7, len(TAGS), generator=generator)
    for metric in (SpanF1(TAGS), TagAccuracy(), TagLoss()):
        whole = metric.state(answers, Of(truth))
        pieces = metric.state(answers[:2], Of(truth[:2])) + metric.state(answers[2:], Of(truth[2:]))
        assert torch.allclose(whole, pieces)


def test_uniform_guesses() -> None:
    truth = numbers("B-x O O", "O")
    loss = TagLoss()
    assert loss.value(loss.state(torch.zeros(2, 3, len(TAGS)), Of(truth))) == pytest.approx(torch.tensor(9.0).log().item())
