"""Question answering: where in a paragraph the answer to a question begins and ends (Devlin et al. 2018, section 4.2).

Each window of a paragraph (data/prepare/questions.py) has logits of its first and of its last piece, [CLS] standing for no answer. A
prediction is (window, 5): the sum of the logits of the best span, its first and last place, that of [CLS], and the span's probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.batch import Batch
from sonde.metrics.rows import RowMetric
from sonde.metrics.spans import PieceF1, SpanLoss
from sonde.metrics.squad import AnswerF1, ExactMatch
from sonde.metrics.state import known
from sonde.metrics.texts import TextMetric
from sonde.ops.spans import best_span
from sonde.tasks import Loss, Metric
from sonde.tasks.options import count

ANSWER: Final = 30  # pieces of an answer at most, as in the published code


@dataclass(frozen=True)
class QuestionAnswering:
    """Find the answer to a question in a paragraph.

    `separator`: the number of the token after the question. `longest`: most pieces of an answer. `none`: whether a question may have no answer.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "stride": "pieces after which the next window of a long paragraph begins (default 128, at most a third of a row)",
        "answer": "most pieces of an answer (default 30)",
    }
    # Windows are measured while training goes on; answers are put together and compared as texts in the end.
    teacher_forced: ClassVar[bool] = True

    separator: int
    longest: int = ANSWER
    none: bool = False

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> QuestionAnswering:
        """From the options above and the fitted target. Raises RecipeError for values that do not exist."""
        count(options, "stride", default=128)
        return cls(int(target["separator"]), count(options, "answer", default=ANSWER), bool(target["none"]))

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The mean over first and last pieces of −ln p. The output, (window, 2): −ln p of both, and the F1 of the best span's pieces."""
        logits, targets = span_logits(model, batch.inputs, separator=self.separator), known(batch)
        right = targets[:, 0], targets[:, -1]
        nats = sum(
            (F.cross_entropy(logits[:, :, side], right[side], reduction="none") for side in (0, 1)), start=logits.new_zeros(len(targets))
        )
        total = nats.sum()
        output = torch.stack([nats.detach(), self._overlap(logits.detach(), *right)], 1)
        return Loss(total / totals["examples"], {"loss": (total.detach(), batch.counts["examples"])}, output)

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """(window, 5), see above."""
        logits = span_logits(model, inputs, separator=self.separator)
        score, first, last = self._best(logits)
        p = logits.log_softmax(1)
        row = torch.arange(len(logits), device=logits.device)
        sure = (p[row, first, 0] + p[row, last, 1]).exp()
        return torch.stack([score, first.to(score), last.to(score), logits[:, 0].sum(1), sure], 1)

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric | TextMetric]:
        """F1 of the pieces in windows first; at the end SQuAD's two measures."""
        found: dict[str, Metric | RowMetric | TextMetric] = {"piece-f1": PieceF1(self.none)}
        if final:
            found |= {"f1": AnswerF1(), "exact-match": ExactMatch()}
        return found | {"loss": SpanLoss()}

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """The places of each window's best span; data/prepare/questions.py makes texts of them."""
        values = prediction.detach().cpu()
        spans = [f"{int(first)}–{int(last)}" for first, last in values[:, 1:3].tolist()]
        return {"prediction": np.array(spans, dtype=object), "score": values[:, 4].double().numpy()}

    def _best(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best span of the paragraph, without [CLS]."""
        inner = logits[:, 1:]
        score, first, last = best_span(inner[..., 0], inner[..., 1], most=self.longest)
        return score, first + 1, last + 1

    def _overlap(self, logits: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """F1 of the pieces of the best span; where there is no answer, 1 if [CLS] is likelier than any span, else 0."""
        score, begin, end = self._best(logits)
        same = (torch.minimum(end, last) - torch.maximum(begin, first) + 1).clamp(min=0)
        both = (end - begin + 1) + (last - first + 1)
        return torch.where(first == 0, (logits[:, 0].sum(1) > score).to(logits), (2 * same / both).to(logits))


def span_logits(model: nn.Module, inputs: tuple[Tensor, ...], *, separator: int) -> Tensor:
    """Logits (window, step, 2) of first and last pieces, −∞ but for the paragraph, which stands behind the first `separator`, and [CLS]."""
    tokens, lengths = inputs
    logits: Tensor = model(tokens, lengths)
    place = torch.arange(tokens.shape[1], device=tokens.device)
    ends = tokens == separator
    paragraph = (ends.cumsum(1) == 1) & ~ends & (place < lengths[:, None] - 1)
    return logits.masked_fill(~(paragraph | (place == 0))[:, :, None], -torch.inf)
