"""Translation: a sentence written from another one. Predictions are the tokens of what is written, (batch, length)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.batch import Batch
from sonde.data.prepare.tokenizers import BEGIN, END, PAD, UNKNOWN, Tokenizer, from_json
from sonde.metrics.perplexity import Perplexity, TokenAccuracy, TokenLoss
from sonde.metrics.rows import RowMetric
from sonde.metrics.state import known
from sonde.metrics.texts import TextBleu, TextMetric
from sonde.nn.sequence import translator
from sonde.ops.beam_search import beam_search
from sonde.ops.decode import generate
from sonde.ops.losses import token_cross_entropy
from sonde.tasks import Loss, Metric
from sonde.tasks.options import count, share


@dataclass(frozen=True)
class Translation:
    """Write a sentence from another one, such as its translation.

    `tokenizer`: of the target. `longest`: the most tokens that are written.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "smoothing": "label smoothing ε: targets are (1 − ε)·one-hot + ε/tokens (default 0)",
        "shared": "true: one vocabulary for source and target (default false)",
        "beam": "translations that are pursued side by side; 1 takes the likeliest token each time (default 1)",
        "longest": "most tokens that are written (default: those of the longest target of the training part, and 10)",
    }
    # Loss, perplexity and accuracy are taken given the true tokens before each; what is written is decoded besides.
    teacher_forced: ClassVar[bool] = True
    # Writing takes as many calls as there are tokens, so that the training part is judged by a sample.
    training_sample: ClassVar[int] = 1_000

    tokenizer: Tokenizer
    longest: int
    smoothing: float = 0.0
    beam: int = 1

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> Translation:
        """From the options above and the fitted target. Raises RecipeError for values that do not exist."""
        longest = count(options, "longest", default=target["length"] + 10)
        return cls(from_json(target["tokenizer"]), longest, share(options, "smoothing", default=0.0), count(options, "beam", default=1))

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """Teacher forcing: each token is foretold from the true ones before it."""
        network, targets = translator(model), known(batch)
        given = F.pad(targets.clamp(min=PAD)[:, :-1], (1, 0), value=BEGIN)
        logits, _ = network.advance(given, network.encode(*batch.inputs))
        total, scores = token_cross_entropy(logits, targets, smoothing=self.smoothing)
        return Loss(total / totals["examples"], {"loss": (total.detach(), batch.counts["examples"])}, scores)

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Tokens (batch, longest) that end with END, PAD after it."""
        network = translator(model)
        start = inputs[0].new_full((len(inputs[0]), 1), BEGIN)
        never = torch.tensor([PAD, UNKNOWN, BEGIN], device=start.device)
        state = network.encode(*inputs)
        if self.beam == 1:
            return generate(network.advance, start, state, length=self.longest, end=END, pad=PAD, never=never)
        found = beam_search(network.advance, start, state, width=self.beam, length=self.longest, end=END, pad=PAD, never=never)
        return found.tokens[:, 0]

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric | TextMetric]:
        """Loss in nats a token first; at the end BLEU of what is written."""
        found: dict[str, Metric | RowMetric | TextMetric] = {"loss": TokenLoss(), "perplexity": Perplexity(), "accuracy": TokenAccuracy()}
        return found | {"bleu": TextBleu()} if final else found

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """The text that was written."""
        return {"prediction": np.array([self.tokenizer.decode(row).strip() for row in prediction.tolist()], dtype=object)}
