"""The rows of a file as tensors, whatever they are, and which tensors' rows some of the file's rows are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from sonde.data.contents import Examples
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.columns import Columns, build_columns
from sonde.data.prepare.fit import Fitted
from sonde.data.prepare.passages import passages
from sonde.data.prepare.questions import refuse, windows
from sonde.data.prepare.stream import build_stream
from sonde.data.prepare.target import Target
from sonde.data.prepare.text import TextPreparation


@dataclass(frozen=True)
class Encoded:
    """Columns, and where a row of the file is several of them (running text, whose rows are tokens; documents) which is its first one: int64 (row + 1,)."""

    columns: Columns
    starts: np.ndarray | None = None

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """The usable rows of the columns, int64, that the file's `rows` (ascending) stand in."""
        if self.starts is None:
            return rows[self.columns.valid[rows]]
        if self.columns.window:  # a part of running text is a stretch of it
            return np.arange(self.starts[rows[0]], self.starts[rows[-1] + 1]) if len(rows) else np.arange(0)
        counts = self.starts[rows + 1] - self.starts[rows]
        return np.repeat(self.starts[rows] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())


def encode_examples(
    prep: Fitted,
    target: Target | None,
    examples: Examples,
    *,
    cache: Path | None = None,
    fingerprint: str = "",
    on_error: Literal["stop", "skip"] = "stop",
) -> Encoded:
    """All rows as tensors, as `build_columns` and `build_stream` say; documents to learn from as `passages`, questions as `windows`."""
    if isinstance(prep, TextPreparation) and prep.window:
        return Encoded(*build_stream(prep, examples, cache=cache, fingerprint=fingerprint))
    if isinstance(prep, BertPreparation) and prep.masking is not None and target is not None:
        flat, made, starts = passages(prep, examples)
        return Encoded(Columns((torch.from_numpy(flat),), None, np.ones(len(made.first), dtype=bool), passages=made), starts)
    if isinstance(prep, BertPreparation) and prep.stride:
        return _questions(prep, target is not None, examples, on_error)
    return Encoded(build_columns(prep, target, examples, cache=cache, fingerprint=fingerprint, on_error=on_error))


def _questions(prep: BertPreparation, targets: bool, examples: Examples, on_error: Literal["stop", "skip"]) -> Encoded:
    """Windows of the paragraphs that questions are about."""
    tokens, lengths, spans, found, problems = windows(prep, examples, targets=targets)
    refuse(problems, on_error)
    told = None if spans is None else torch.from_numpy(spans)
    columns = Columns((torch.from_numpy(tokens), torch.from_numpy(lengths)), told, np.ones(len(tokens), dtype=bool), windows=found)
    return Encoded(columns, np.searchsorted(found.question.numpy(), np.arange(len(examples) + 1)))
