"""A language model for NumPy alone: one token and the state in, logits and the next state out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonde.errors import RunError, SondeError
from sonde.export.numpy_runtime.language_model import LanguageModel
from sonde.nn.sequence import carries_state, language_model, network_of, tensors
from sonde.run import Run

ROWS, STEPS = 4, 64  # of the text that is compared


class Stepping(nn.Module):
    """`advance` by one token, with a state that is always there: tensors in, tensors out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """From tokens int64 (row, 1) and the state: logits (row, token) and the next state."""
        logits, after = language_model(self.network).advance(tokens, state)
        return (logits[:, -1], *tensors(after))


def stepping(run: Run) -> tuple[Stepping, tuple[Tensor, ...]]:
    """The module that is written, and inputs of it. Raises RunError for a language model without a state of one size."""
    network = network_of(run.model).eval()
    if not carries_state(network):
        what = "this language model has no state of one size that goes from token to token, so that it cannot be exported"
        raise RunError(what, where=str(run.path), remedy="use the run with PyTorch (`sonde predict`), or train rnn, gru or lstm in one direction")
    first = torch.zeros(ROWS, 1, dtype=torch.int64)
    with torch.no_grad():
        _, state = language_model(network).advance(first, None)
    return Stepping(network), (first, *(torch.zeros_like(part) for part in tensors(state)))


def described(inputs: tuple[Tensor, ...]) -> dict[str, Any]:
    """What preprocessing.json says of the state."""
    return {"state": [list(part.shape[1:]) for part in inputs[1:]], "dtype": str(inputs[1].dtype).removeprefix("torch.")}


def text_of(run: Run) -> np.ndarray:
    """Tokens int64 (row, step) to compare with: the first of the training part, or drawn ones where the run's data are not at hand."""
    size = run.preparation.sizes["vocabulary"]
    try:
        columns, index, _ = run.part("train")
    except SondeError:
        return np.random.default_rng(0).integers(size, size=(ROWS, STEPS))
    chosen = np.resize(columns.inputs[0].numpy()[index[: ROWS * STEPS]], (ROWS, STEPS))
    return chosen.astype(np.int64)


def compare_text(exported: LanguageModel, run: Run) -> tuple[float, int]:
    """The largest difference of logits over a text, relative to the largest of them, and on how many tokens."""
    tokens = text_of(run)
    with torch.no_grad():
        ours = language_model(run.model).advance(torch.from_numpy(tokens), None)[0].numpy()
    theirs, _ = exported.read(tokens)
    return float(np.abs(ours - theirs).max() / max(float(np.abs(ours).max()), 1e-30)), tokens.size
