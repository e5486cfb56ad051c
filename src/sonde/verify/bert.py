"""The pair of BERT's block: the Transformer's encoder, normalised after each part, with gelu."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from sonde.models.bert import EPSILON, Config, Layer
from sonde.scratch.transformer import encoder_block
from sonde.verify.cases import draws
from sonde.verify.pair import Array, Case, Pair

# Published names → those of the scratch form, which has queries, keys and values in one matrix.
NAMES = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}
PARTS = ("query", "key", "value")


def bert_block() -> Pair:
    """norm(x + attention(x)), then norm(x + W₂ gelu(W₁ x))."""

    def fast(x: Tensor, lengths: Tensor | None = None, heads: int = 1, **weights: Tensor) -> Tensor:
        config = Config(width=x.shape[2], heads=heads, hidden=len(weights["linear1.weight"]), dropout=0.0, attention_dropout=0.0)
        named = {f"{own}.{end}": weights[f"{other}.{end}"] for own, other in NAMES.items() for end in ("weight", "bias")}
        for end in ("weight", "bias"):
            parts = weights[f"self_attn.in_proj_{end}"].chunk(3)
            named |= {f"attention.self.{name}.{end}": rows for name, rows in zip(PARTS, parts, strict=True)}
        mask = None if lengths is None else (torch.arange(x.shape[1]) < lengths[:, None])[:, None, None]
        y: Tensor = functional_call(Layer(config).to(x.dtype), named, (x, mask))
        return y

    def scratch(x: Any, lengths: Array | None = None, heads: int = 1, **weights: Any) -> Any:
        mask = None if lengths is None else np.broadcast_to(np.arange(x.shape[1]) < lengths[:, None, None], (len(x), x.shape[1], x.shape[1]))
        return encoder_block(x, weights, heads=heads, mask=mask, gelu=True, eps=EPSILON)

    weights = {
        "self_attn.in_proj_weight": (24, 8),
        "self_attn.in_proj_bias": (24,),
        "self_attn.out_proj.weight": (8, 8),
        "self_attn.out_proj.bias": (8,),
        "linear1.weight": (12, 8),
        "linear1.bias": (12,),
        "linear2.weight": (8, 12),
        "linear2.bias": (8,),
        "norm1.weight": (8,),
        "norm1.bias": (8,),
        "norm2.weight": (8,),
        "norm2.bias": (8,),
    }
    inputs = draws(x=(2, 5, 8)) | draws(0.4, **weights)
    cases = [
        Case("two heads", inputs, {"heads": 2}),
        Case("padded", inputs | {"lengths": np.array([5, 3])}, {"heads": 4}),
        Case("one token", inputs | draws(x=(3, 1, 8)), {"heads": 1}),
    ]
    return Pair(scratch, fast, cases, "sonde.models.bert")
