"""Masked language modelling, BERT's pre-training (Devlin et al. 2018, section 3.1). Predictions are the likeliest pieces, (batch, step)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.batch import NO_TARGET, Batch
from sonde.data.prepare.tokenizers import Tokenizer, from_json
from sonde.metrics.masked import MaskedAccuracy, MaskedLoss, MaskedPerplexity, NextAccuracy, PretrainingLoss
from sonde.metrics.rows import RowMetric
from sonde.metrics.state import known
from sonde.nn.prepared import Terms
from sonde.nn.sequence import pre_trained
from sonde.ops.losses import token_cross_entropy
from sonde.tasks import Loss, Metric
from sonde.tasks.options import count, flag, share
from sonde.tasks.terms import from_terms


@dataclass(frozen=True)
class MaskedLanguageModelling:
    """Pre-train on text: foretell words that were masked, and whether one text follows another.

    `pairs`: whether rows are two texts.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "share": "of all pieces, those that are to be foretold (default 0.15)",
        "whole_words": "true: all pieces of a word are masked, or none (default false)",
        "next_sentence": "false: one text a row, and nothing is asked about a second (default true)",
        "document": "paragraphs that follow each other are joined until they have so many words; 1 keeps each by itself (default 100)",
    }
    # What was masked is known to the batch alone, so that held-out text is measured by the loss itself.
    teacher_forced: ClassVar[bool] = True
    # Scores of every place are not kept: a book's would fill the memory.
    keeps_predictions: ClassVar[bool] = False

    tokenizer: Tokenizer
    pairs: bool = True

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> MaskedLanguageModelling:
        """From the options above, which decide how examples are made. Raises RecipeError for values that do not exist."""
        count(options, "document", default=100)
        share(options, "share", default=0.15)
        flag(options, "whole_words", default=False)
        return cls(from_json(target["tokenizer"]), flag(options, "next_sentence", default=True))

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The mean over masked pieces of −ln p, and that over pairs of −ln p of the second text's class.

        The output, (batch, step, 2), has −ln p and whether the likeliest was right of each masked piece, in the first column of the pair.
        """
        targets, (tokens, lengths) = known(batch), batch.inputs
        masked = targets != NO_TARGET
        masked[:, 0] = False  # there stands the pair's class
        places = masked.flatten().nonzero()[:, 0]
        words, follows = pre_trained(model).pretraining(tokens, lengths, places)
        word_nats, word_scores = token_cross_entropy(words, targets.flatten()[places])
        classes = targets[:, 0] if self.pairs else torch.full_like(targets[:, 0], NO_TARGET)
        pair_nats, pair_scores = token_cross_entropy(follows, classes)
        terms: Terms = {"masked": (word_nats, "masked"), "next": (pair_nats, "pairs")}
        if not self.pairs:  # the head's gradient is 0, and not missing, so that processes agree on what there is to add up
            terms = {"masked": (word_nats + pair_nats, "masked")}
        output = words.new_zeros(targets.numel(), 2, dtype=word_scores.dtype).index_copy(0, places, word_scores.detach())
        output = output.view(*targets.shape, 2)
        output[:, 0] = pair_scores.detach()
        return from_terms(terms, output, batch.counts, totals)

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """The likeliest piece at each place, int64 (batch, step); [PAD] after each row's end."""
        tokens, lengths = inputs
        places = torch.arange(tokens.numel(), device=tokens.device)
        words, _ = pre_trained(model).pretraining(tokens, lengths, places)
        likeliest = words.argmax(-1).view(tokens.shape)
        after = torch.arange(tokens.shape[1], device=tokens.device) >= lengths[:, None]
        return likeliest.masked_fill(after, 0)

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """The loss that is trained first: nats a masked piece, and those a pair where rows are pairs."""
        loss = PretrainingLoss() if self.pairs else MaskedLoss()
        found: dict[str, Metric | RowMetric] = {"loss": loss, "perplexity": MaskedPerplexity(), "masked-accuracy": MaskedAccuracy()}
        return found | {"next-accuracy": NextAccuracy()} if self.pairs else found

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """The text that the likeliest pieces make."""
        return {"prediction": np.array([self.tokenizer.decode(row) for row in prediction.tolist()], dtype=object)}
