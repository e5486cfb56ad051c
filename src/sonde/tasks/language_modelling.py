"""Language modelling: the next token of a running text. Predictions are logits (lane, step, token)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.batch import NO_TARGET, Batch
from sonde.data.prepare.tokenizers import PAD, from_json
from sonde.metrics.perplexity import CharacterBits, CharacterPerplexity, Perplexity, TokenAccuracy, TokenLoss
from sonde.metrics.rows import RowMetric
from sonde.metrics.state import known
from sonde.nn.sequence import State, blank_filler, language_model
from sonde.tasks import Loss, Metric
from sonde.tasks.options import share


@dataclass(frozen=True)
class LanguageModelling:
    """Foretell each token of a text from those before it.

    `characters`: how many characters each token of the vocabulary stands for.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "steps": "tokens of a batch row; gradients reach back no further, while the state is carried on (default 64)",
        "smoothing": "label smoothing ε: targets are (1 − ε)·one-hot + ε/tokens (default 0)",
    }
    # Measures are taken from the loss's own output: where the next token is not known there is nothing to foretell it from.
    teacher_forced: ClassVar[bool] = True
    # Logits of every place are not kept: a book's would fill the memory.
    keeps_predictions: ClassVar[bool] = False

    characters: tuple[int, ...]
    smoothing: float = 0.0

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> LanguageModelling:
        """From the options above and the fitted target's tokeniser. Raises RecipeError for values that do not exist."""
        characters = from_json(target["tokenizer"]).characters()
        return cls(tuple(characters.tolist()), share(options, "smoothing", default=0.0))

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        targets = known(batch)
        output, state = _foretold(model, batch.inputs[0], targets, state)
        total = F.cross_entropy(
            output.flatten(0, -2), targets.flatten(), reduction="sum", ignore_index=NO_TARGET, label_smoothing=self.smoothing
        )
        return Loss(total / totals["examples"], {"loss": (total.detach(), batch.counts["examples"])}, output.detach(), state)

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits of the token after each of the given ones, or of each one by a model that also reads what follows it."""
        filler = blank_filler(model)
        return language_model(model).advance(inputs[0], None)[0] if filler is None else filler.between(inputs[0])

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """Loss in nats a token first."""
        found: dict[str, Metric | RowMetric] = {"loss": TokenLoss(), "perplexity": Perplexity()}
        if final:
            found["accuracy"] = TokenAccuracy()
            found["character-perplexity"] = CharacterPerplexity(self.characters)
            found["bits-per-character"] = CharacterBits(self.characters)
        return found

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """The number of the likeliest token after the last one."""
        return {"prediction": prediction[:, -1].argmax(-1).cpu().numpy()}


def _foretold(model: nn.Module, tokens: Tensor, following: Tensor, state: State) -> tuple[Tensor, State]:
    """Logits of each of `following`, which stand one place after `tokens`, and the state to go on from.

    A model that reads in both directions foretells each from all others of the window.
    """
    filler = blank_filler(model)
    if filler is None:
        return language_model(model).advance(tokens, state)
    window = torch.cat([tokens, following[:, -1:].clamp(min=PAD)], 1)
    return filler.between(window)[:, 1:], None
