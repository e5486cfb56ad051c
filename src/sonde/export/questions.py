"""What is exported of a run that answers questions or fills masks, and inputs to compare with of the BERT family."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.contents import Examples
from sonde.nn.sequence import network_of
from sonde.run import Run
from sonde.tasks.question_answering import QuestionAnswering, span_logits

QUESTIONS: Final = 16  # of the training part that are compared, with all their windows


class Spans(nn.Module):
    """Logits of first and last pieces; the best span is sought in NumPy, so that equals are no matter of rounding."""

    def __init__(self, model: nn.Module, task: QuestionAnswering) -> None:
        super().__init__()
        self.model, self.task = model, task

    def forward(self, *inputs: Tensor) -> Tensor:
        """(window, step, 2) of tokens (window, step) and lengths (window,)."""
        return span_logits(self.model, inputs, separator=self.task.separator)


class Masks(nn.Module):
    """Logits of the piece at each place; the surest mask is sought in NumPy."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.network = network_of(model)

    def forward(self, *inputs: Tensor) -> Tensor:
        """(row, step, piece) of tokens (row, step) and lengths (row,); −∞ behind a row's end."""
        tokens, lengths = inputs
        logits: Tensor = self.network(tokens, lengths)
        real = torch.arange(logits.shape[1], device=tokens.device) < lengths[:, None]
        return logits.masked_fill(~real[:, :, None], -torch.inf)


def asked(run: Run, questions: np.ndarray, examples: Examples) -> tuple[tuple[Tensor, ...], Examples]:
    """Windows of some of `questions`, rows of `examples`, and these rows; at least two windows."""
    known = np.unique(questions)
    chosen = known[np.unique(np.linspace(0, len(known) - 1, min(QUESTIONS, len(known))).astype(np.int64))]
    some = examples.take(chosen if len(chosen) > 1 else np.repeat(chosen, 2))
    return tuple(each.long() for each in run.encode(some, targets=False).columns.inputs), some


def drawn(sizes: dict[str, Any], rows: int) -> tuple[Tensor, ...]:
    """Random rows of two texts: tokens (row, length), lengths (row,), and of words the places (row, word) of their first pieces."""
    draw, length, separator = np.random.default_rng(0), sizes["length"], sizes["separator"]
    lengths = draw.integers(min(5, length), length + 1, rows)
    tokens = draw.integers(1, sizes["vocabulary"], (rows, length))
    tokens[tokens == separator] = 1
    tokens[np.arange(rows), lengths // 2] = separator
    tokens[np.arange(rows), lengths - 1] = separator
    places = np.arange(1, sizes["words"] + 1) * (np.arange(1, sizes["words"] + 1) < lengths[:, None] - 1)
    tokens = np.where(np.arange(length) < lengths[:, None], tokens, 0)
    return tuple(torch.from_numpy(each) for each in (tokens, lengths, *([places] if sizes["words"] else [])))
