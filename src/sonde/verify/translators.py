"""The whole encoder–decoder with attention, put together from the parts of sonde.scratch."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.func import functional_call

from sonde.models import build as build_model
from sonde.nn.recurrent import SUMS, Cell
from sonde.scratch.attention import additive_attention
from sonde.scratch.dense import dense
from sonde.scratch.embedding import embedding
from sonde.scratch.gru import gru
from sonde.scratch.lstm import lstm
from sonde.scratch.rnn import rnn
from sonde.scratch.tensor import concatenate, stack
from sonde.scratch.transformer import part
from sonde.verify.cases import draws, whole
from sonde.verify.pair import Case, Pair

SOURCE, TARGET, WIDTH, HIDDEN = 11, 9, 5, 6  # tokens of both languages, and widths of embeddings and states


def sequence_to_sequence() -> Pair:
    """Encoder, decoder and additive attention: logits after each token of a target, from sources of different lengths."""

    def fast(tokens: Tensor, lengths: Tensor, target: Tensor, cell: Cell, layers: int, **weights: Tensor) -> Tensor:
        sizes: dict[str, Any] = {"vocabulary": SOURCE, "outputs": TARGET, "width": WIDTH, "hidden": HIDDEN, "layers": layers, "dropout": 0.0}
        model = build_model(f"seq2seq-{cell}-attention", sizes).to(weights["output.weight"].dtype)
        logits: Tensor = functional_call(model, weights, (tokens, lengths, target))
        return logits

    def scratch(tokens: Any, lengths: Any, target: Any, cell: Cell, layers: int, **weights: Any) -> Any:
        rows = [_sentence(cell, tokens[row, :length], target[row], weights) for row, length in enumerate(lengths)]
        return stack(rows, axis=0)

    inputs = {"tokens": whole("source", (3, 4), SOURCE), "lengths": np.array([4, 1, 3]), "target": whole("target", (3, 5), TARGET)}
    depths: dict[Cell, int] = {"rnn": 1, "gru": 2, "lstm": 1}
    cases = [Case(cell, inputs | _weights(cell, layers), {"cell": cell, "layers": layers}) for cell, layers in depths.items()]
    return Pair(scratch, fast, cases, "sonde.models.seq2seq")


def _sentence(cell: Cell, source: Any, target: Any, weights: dict[str, Any]) -> Any:
    """Logits (step, token) after each token of one target, from its source alone: what stands behind its end is not read."""
    outputs, state = _recurrent(cell, embedding(source, weights["source_embedding.weight"])[:, None], None, part(weights, "encoder"))
    y, _ = _recurrent(cell, embedding(target, weights["target_embedding.weight"])[:, None], state, part(weights, "decoder"))
    y, memory = y[:, 0], outputs[:, 0]
    context, _ = additive_attention(y, memory, memory, part(weights, "attention"))
    features = dense(concatenate([context, y], axis=1), weights["combine.weight"], weights["combine.bias"]).tanh()
    return dense(features, weights["output.weight"], weights["output.bias"])


def _recurrent(cell: Cell, x: Any, state: Any, weights: dict[str, Any]) -> tuple[Any, Any]:
    """Outputs, and the state, which is a pair for an LSTM."""
    if cell == "lstm":
        return lstm(x, state, weights)
    return (gru if cell == "gru" else rnn)(x, state, weights)


def _weights(cell: Cell, layers: int) -> dict[str, Any]:
    """The model's weights by its own names."""
    shapes: dict[str, tuple[int, ...]] = {"source_embedding.weight": (SOURCE, WIDTH), "target_embedding.weight": (TARGET, WIDTH)}
    rows = SUMS[cell] * HIDDEN
    for side in ("encoder", "decoder"):
        for layer in range(layers):
            shapes |= {f"{side}.weight_ih_l{layer}": (rows, HIDDEN if layer else WIDTH), f"{side}.weight_hh_l{layer}": (rows, HIDDEN)}
            shapes |= {f"{side}.bias_ih_l{layer}": (rows,), f"{side}.bias_hh_l{layer}": (rows,)}
    shapes |= {"attention.W_q.weight": (HIDDEN, HIDDEN), "attention.W_k.weight": (HIDDEN, HIDDEN), "attention.w_v.weight": (1, HIDDEN)}
    shapes |= {"combine.weight": (HIDDEN, 2 * HIDDEN), "combine.bias": (HIDDEN,), "output.weight": (TARGET, HIDDEN), "output.bias": (TARGET,)}
    return draws(0.5, **shapes)
