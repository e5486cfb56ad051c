"""Tagging: the weight of what lies outside of spans, ends of sentences, and options that do not exist."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sonde import tasks
from sonde.data.batch import NO_TARGET, Batch
from sonde.errors import RecipeError
from sonde.tasks.tagging import Tagging

TARGET: dict[str, Any] = {"kind": "tags", "columns": ["tags"], "classes": ["O", "B-x"], "counts": [90, 10], "length": 3, "spans": True}
TOKENS, LENGTHS = torch.tensor([[1, 2, 0], [2, 0, 0]]), torch.tensor([2, 1])
TAGS = torch.tensor([[0, 1, NO_TARGET], [1, NO_TARGET, NO_TARGET]])


class Fixed(nn.Module):
    """Logits that depend on the token alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor([[5.0, -5.0], [0.2, -0.1], [-0.4, 0.3]]))

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.table[tokens]


def build(**options: Any) -> Tagging:
    task = tasks.build("tagging", options, TARGET)
    assert isinstance(task, Tagging)
    return task


def test_what_lies_outside_weighs_less_where_spans_are_rare() -> None:
    assert build().outside == pytest.approx(1 / 3)
    assert build(outside=0.5).outside == 0.5
    assert tasks.build("tagging", {}, TARGET | {"counts": [3, 9]}).outside == 1.0  # type: ignore[attr-defined]
    assert tasks.build("tagging", {}, TARGET | {"classes": ["NOUN", "VERB"], "spans": False}).outside == 1.0  # type: ignore[attr-defined]


def test_the_loss_by_hand_and_padding_changes_nothing() -> None:
    model, task = Fixed(), build(outside=0.5)
    batch = Batch((TOKENS, LENGTHS), TAGS, torch.arange(2), {"examples": 3.0})
    logp = F.log_softmax(model.table, 1)
    expected = -(0.5 * logp[1, 0] + logp[2, 1] + logp[2, 1]) / 3
    loss = task.loss(model, batch, {"examples": 3.0})
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-6)
    wide = Batch((F.pad(TOKENS, (0, 4)), LENGTHS), F.pad(TAGS, (0, 4), value=NO_TARGET), torch.arange(2), {"examples": 3.0})
    assert task.loss(model, wide, {"examples": 3.0}).value.item() == pytest.approx(loss.value.item(), rel=1e-7)


def test_tags_end_where_the_sentence_does() -> None:
    prediction = build().predict(Fixed(), (TOKENS, LENGTHS))
    assert prediction.isfinite().all(2).tolist() == [[True, True, False], [True, False, False]]
    assert build().table(prediction)["prediction"].tolist() == ["O B-x", "B-x"]


def test_measures_with_and_without_spans() -> None:
    assert list(build().metrics(final=False)) == ["span-f1", "accuracy", "loss"]
    assert list(tasks.build("tagging", {}, TARGET | {"spans": False}).metrics(final=True)) == ["accuracy", "loss"]


@pytest.mark.parametrize("value", [0, 1.5, True, "much"])
def test_weights_that_are_none(value: object) -> None:
    with pytest.raises(RecipeError, match=r"task.outside = .* is no weight over 0 and up to 1"):
        build(outside=value)
