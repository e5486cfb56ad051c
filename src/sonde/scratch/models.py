"""Whole models, put together from the layers: how their first weights are drawn, and what they compute.

A model is two functions without state. Weights are Tensors by name, with the names and shapes of the fast model's
state_dict, so that they move across by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sonde.scratch import initialisation as first
from sonde.scratch.attention import causal_mask
from sonde.scratch.convolution import conv2d
from sonde.scratch.dense import dense
from sonde.scratch.dropout import dropout as drop_out
from sonde.scratch.embedding import embedding
from sonde.scratch.gru import gru
from sonde.scratch.pooling import average_pool, max_pool
from sonde.scratch.positional_encoding import positional_encoding
from sonde.scratch.tensor import Tensor, as_tensor
from sonde.scratch.transformer import encoder_block, part

Array = npt.NDArray[Any]
Weights = dict[str, Tensor]
Generator = np.random.Generator


@dataclass(frozen=True)
class Model:
    """How the weights are drawn, and what is computed with them.

    weights(rng, dtype=float64) draws the first weights. forward(weights, x, rng=None) gives the output for x (batch, …): with
    a generator as in training, where numbers drop out, without one as in use.
    """

    weights: Callable[..., Weights]
    forward: Callable[..., Tensor]


def count(weights: Mapping[str, Tensor]) -> int:
    """How many numbers are learned."""
    return sum(w.size for w in weights.values())


def activation(name: str, x: Tensor) -> Tensor:
    """φ(x) by name."""
    if name == "relu":
        return x.relu()
    if name == "sigmoid":
        return x.sigmoid()
    if name == "tanh":
        return x.tanh()
    if name == "centred-sigmoid":
        return x.sigmoid() * 4.0 - 2.0
    if name == "hard-sigmoid":  # min(max(x, 0), 1)
        return x.relu() - (x - 1.0).relu()
    if name == "linear":
        return x
    raise ValueError(f"there is no activation {name!r}: known are relu, sigmoid, tanh, centred-sigmoid, hard-sigmoid and linear")


def softmax_regression(numbers: int, outputs: int) -> Model:
    """One dense layer o = xWᵀ + b from x (batch, …) with `numbers` numbers each; the softmax is the loss's. All weights start at 0.

    With another loss this is linear regression, or with one output the perceptron.
    """

    def draw(rng: Generator, dtype: npt.DTypeLike = np.float64) -> Weights:
        return tensors({"output.linear.weight": np.zeros((outputs, numbers)), "output.linear.bias": np.zeros(outputs)}, dtype)

    def forward(weights: Mapping[str, Tensor], x: Array, rng: Generator | None = None) -> Tensor:
        return dense(flat(x), weights["output.linear.weight"], weights["output.linear.bias"])

    return Model(draw, forward)


def mlp(numbers: int, outputs: int, *, widths: tuple[int, ...] = (256,), act: str = "relu", dropout: float = 0.0) -> Model:
    """Layers h ← drop(φ(Wh + b)) for each of the hidden `widths`, then o = Wh + b; He's first weights for ReLU, else Xavier's.

    Layers are numbered as in the fast model, where activation and dropout take a number of their own.
    """
    sizes, apart = (numbers, *widths), 3 if dropout else 2
    hidden = he_or_xavier(act)

    def draw(rng: Generator, dtype: npt.DTypeLike = np.float64) -> Weights:
        arrays = {}
        for place, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            arrays[f"hidden.{apart * place}.weight"] = hidden(rng, (n_out, n_in))
            # Units that all bend at 0 would leave a curve over one number without pieces.
            arrays[f"hidden.{apart * place}.bias"] = first.uniform(rng, (n_out,), n_in**-0.5)
        arrays |= {"output.weight": first.xavier_uniform(rng, (outputs, sizes[-1])), "output.bias": np.zeros(outputs)}
        return tensors(arrays, dtype)

    def forward(weights: Mapping[str, Tensor], x: Array, rng: Generator | None = None) -> Tensor:
        h = flat(x)
        for place in range(len(widths)):
            h = activation(act, dense(h, weights[f"hidden.{apart * place}.weight"], weights[f"hidden.{apart * place}.bias"]))
            h = h if rng is None else drop_out(h, dropout, rng)
        return dense(h, weights["output.weight"], weights["output.bias"])

    return Model(draw, forward)


def lenet(channels: int = 1, size: int = 28, classes: int = 10, *, act: str = "relu", pooling: str = "max") -> Model:
    """LeNet-5 (LeCun et al. 1998) from x (batch, channel, size, size); sigmoids and average pooling make it the original."""
    side = (size // 2 - 4) // 2
    if side < 1 or pooling not in ("max", "average"):
        raise ValueError(f"lenet: reads pictures of at least 12×12 with max or average pooling, not {size}×{size} with {pooling}")
    shapes = {"conv1": (6, channels, 5, 5), "conv2": (16, 6, 5, 5), "fc1": (120, 16 * side * side), "fc2": (84, 120), "fc3": (classes, 84)}

    def draw(rng: Generator, dtype: npt.DTypeLike = np.float64) -> Weights:
        arrays = {}
        for name, shape in shapes.items():
            arrays[f"{name}.weight"] = (first.xavier_uniform if name == "fc3" else he_or_xavier(act))(rng, shape)
            arrays[f"{name}.bias"] = np.zeros(shape[0])
        return tensors(arrays, dtype)

    def forward(weights: Mapping[str, Tensor], x: Array, rng: Generator | None = None) -> Tensor:
        pool = max_pool if pooling == "max" else average_pool
        h = pool(activation(act, conv2d(x, weights["conv1.weight"], weights["conv1.bias"], padding=2)), 2)
        h = flat(pool(activation(act, conv2d(h, weights["conv2.weight"], weights["conv2.bias"])), 2))
        h = activation(act, dense(h, weights["fc1.weight"], weights["fc1.bias"]))
        h = activation(act, dense(h, weights["fc2.weight"], weights["fc2.bias"]))
        return dense(h, weights["fc3.weight"], weights["fc3.bias"])

    return Model(draw, forward)


def gru_language_model(vocabulary: int, *, width: int = 256, hidden: int = 256, layers: int = 1) -> Model:
    """Tokens (batch, step) → embedding → GRU (reset after the product) from a state of 0 → logits (batch, step, vocabulary)."""

    def draw(rng: Generator, dtype: npt.DTypeLike = np.float64) -> Weights:
        arrays = {"embedding.weight": first.normal(rng, (vocabulary, width), width**-0.5)}
        for layer in range(layers):
            n_in = width if layer == 0 else hidden
            for name, shape in (("weight_ih", (3 * hidden, n_in)), ("weight_hh", (3 * hidden, hidden))):
                arrays[f"recurrent.{name}_l{layer}"] = first.uniform(rng, shape, hidden**-0.5)
            for name in ("bias_ih", "bias_hh"):
                arrays[f"recurrent.{name}_l{layer}"] = np.zeros(3 * hidden)
        arrays |= {"output.weight": first.xavier_uniform(rng, (vocabulary, hidden)), "output.bias": np.zeros(vocabulary)}
        return tensors(arrays, dtype)

    def forward(weights: Mapping[str, Tensor], x: Array, rng: Generator | None = None) -> Tensor:
        steps = embedding(np.asarray(x).T, weights["embedding.weight"])  # time first
        h, _ = gru(steps, None, part(weights, "recurrent"))
        return dense(h, weights["output.weight"], weights["output.bias"]).swap(0, 1)

    return Model(draw, forward)


def transformer_language_model(
    vocabulary: int, *, width: int = 64, heads: int = 4, hidden: int = 256, depth: int = 2, dropout: float = 0.0, norm_first: bool = False
) -> Model:
    """Tokens (batch, step) → √d · embedding + positions → `depth` encoder blocks that see no later step → logits as above."""

    def draw(rng: Generator, dtype: npt.DTypeLike = np.float64) -> Weights:
        arrays = {"embedding.weight": first.normal(rng, (vocabulary, width), width**-0.5)}
        for block in range(depth):
            shapes = {"self_attn.in_proj_": (3 * width, width), "self_attn.out_proj.": (width, width)}
            shapes |= {"linear1.": (hidden, width), "linear2.": (width, hidden)}
            for name, shape in shapes.items():
                arrays[f"blocks.{block}.{name}weight"] = first.xavier_uniform(rng, shape)
                arrays[f"blocks.{block}.{name}bias"] = np.zeros(shape[0])
            for name in ("norm1", "norm2"):
                arrays |= {f"blocks.{block}.{name}.weight": np.ones(width), f"blocks.{block}.{name}.bias": np.zeros(width)}
        arrays |= {"output.weight": first.xavier_uniform(rng, (vocabulary, width)), "output.bias": np.zeros(vocabulary)}
        return tensors(arrays, dtype)

    def forward(weights: Mapping[str, Tensor], x: Array, rng: Generator | None = None) -> Tensor:
        h, steps = embedding(np.asarray(x), weights["embedding.weight"]) * width**0.5, np.shape(x)[1]
        h = h + positional_encoding(steps, width).astype(h.dtype)
        h = h if rng is None else drop_out(h, dropout, rng)
        for block in range(depth):
            own = part(weights, f"blocks.{block}")
            h = encoder_block(h, own, heads=heads, mask=causal_mask(steps), norm_first=norm_first, drop=dropout, rng=rng)
        return dense(h, weights["output.weight"], weights["output.bias"])

    return Model(draw, forward)


def he_or_xavier(act: str) -> Any:
    """He's normal weights for ReLU, Xavier's uniform ones for everything else."""
    return first.he_normal if act == "relu" else first.xavier_uniform


def flat(x: Array | Tensor) -> Tensor:
    """(batch, …) to (batch, numbers)."""
    x = as_tensor(x)
    return x if x.ndim == 2 else x.reshape(x.shape[0], int(np.prod(x.shape[1:])))


def tensors(arrays: Mapping[str, Array], dtype: npt.DTypeLike) -> Weights:
    """Arrays by name as Tensors that are learned."""
    return {name: Tensor(np.asarray(array, dtype), requires_grad=True) for name, array in arrays.items()}
