"""Loss functions as (sum, count): the mean is the one divided by the other, so that a batch may be cut in pieces without harm.

Each gives the sum over the examples, a Tensor of shape (), and their number. With `weights` (example,) the sum is weighted
and the count is the sum of the weights. What is not said to be halved is not: ½, 1/n and 1/2n all occur in the field, and
each docstring states its own. Predictions are Tensors, targets arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sonde.scratch.tensor import Tensor, where

Array = npt.NDArray[Any]
Total = tuple[Tensor, float]


def squared(prediction: Tensor, target: Array, *, weights: Array | None = None) -> Total:
    """½(y − ŷ)², summed over outputs and examples. Gradient ŷ − y. Shapes (example, …), the same for both."""
    return _total(_error(prediction, target, "squared") ** 2 / 2, weights)


def mse(prediction: Tensor, target: Array, *, weights: Array | None = None) -> Total:
    """(y − ŷ)² without ½, the mean over outputs, summed over examples. Gradient 2(ŷ − y)/outputs."""
    return _total(_error(prediction, target, "mse") ** 2 / _outputs(prediction), weights)


def mae(prediction: Tensor, target: Array, *, weights: Array | None = None) -> Total:
    """|y − ŷ|, the mean over outputs, summed over examples. Sub-gradient 0 where they are equal."""
    return _total(_error(prediction, target, "mae").abs() / _outputs(prediction), weights)


def huber(prediction: Tensor, target: Array, *, delta: float = 1.0, weights: Array | None = None) -> Total:
    """½e² for |e| ≤ δ, δ(|e| − ½δ) beyond (Huber 1964), the mean over outputs, summed over examples."""
    e = _error(prediction, target, "huber")
    size = e.abs()
    return _total(where(size.data <= delta, e**2 / 2, (size - delta / 2) * delta) / _outputs(prediction), weights)


def log_softmax(logits: Tensor) -> Tensor:
    """oᵢ − ln Σⱼ exp oⱼ along the last axis; max o is subtracted first, which changes nothing and lets no exponential overflow."""
    return Tensor.apply("log_softmax", (logits,), {})


def cross_entropy(
    logits: Tensor, target: Array, *, smoothing: float = 0.0, class_weights: Array | None = None, weights: Array | None = None
) -> Total:
    """−ln softmax(o)_y of logits (…, class) and whole numbers y (…), summed over examples. Gradient softmax(o) − one-hot(y).

    `smoothing` ε replaces the one-hot target by (1 − ε)·one-hot + ε/classes. `class_weights` multiply each example's loss by
    the weight of its own class, and count so, so that the mean is a weighted one.
    """
    y = _classes(target, logits, "cross_entropy").reshape(-1)
    log_p = log_softmax(logits.reshape(-1, logits.shape[-1]))
    each = -log_p[np.arange(len(y)), y]
    if smoothing:
        each = each * (1 - smoothing) - log_p.mean(axis=-1) * smoothing
    own = None if weights is None else np.asarray(weights).reshape(-1)
    if class_weights is not None:
        own = np.asarray(class_weights)[y] * (1 if own is None else own)
    return _total(each, own)


def one_hot_squared(output: Tensor, target: Array, *, weights: Array | None = None) -> Total:
    """½‖o − one-hot(y)‖², summed over examples: least squares for classes, to compare with the cross-entropy."""
    return squared(output, _one_hot(target, output, "one_hot_squared"), weights=weights)


def binary_cross_entropy(logits: Tensor, target: Array, *, weights: Array | None = None) -> Total:
    """−t·ln σ(z) − (1 − t)·ln(1 − σ(z)), the mean over outputs, summed over examples. Gradient (σ(z) − t)/outputs.

    Computed as max(z, 0) − zt + ln(1 + exp(−|z|)), in which nothing overflows.
    """
    t = np.asarray(target, logits.dtype)
    _same_shape(logits, t, "binary_cross_entropy")
    # relu and |z| have the sub-gradients 0 at z = 0, where the whole has ½ − t: as ½(z + |z|) it comes out right.
    size = logits.abs()
    each = (logits + size) * 0.5 - logits * t + ((-size).exp() + 1.0).log()
    return _total(each / _outputs(logits), weights)


def perceptron_sign(z: Tensor, labels: Array) -> Total:
    """max(0, −y·z) for z (example,) and labels −1 and 1, summed. The sub-gradient −y·x is taken at z = 0 too.

    Not relu: its gradient at 0 is 0, and a perceptron that starts at 0 would never start.
    """
    y = np.asarray(labels, z.dtype)
    return (z * np.where(y * z.data <= 0, -y, 0).astype(z.dtype)).sum(), float(len(z))


def perceptron_step(z: Tensor, targets: Array) -> Total:
    """−(t − y)·z for z (example,), targets t in 0 and 1 and the output y = step(z), step(0) = 0, summed. Gradient −(t − y)·x."""
    y = (z.data > 0).astype(z.dtype)
    return (z * (y - np.asarray(targets, z.dtype))).sum(), float(len(z))


def margin(logits: Tensor, target: Array, *, distance: Array | float = 1.0, weights: Array | None = None) -> Total:
    """Sum of max over i of Δ(y, i) + oᵢ − o_y with Δ(y, y) = 0: 0 once o_y − oᵢ ≥ Δ(y, i) for every other class i.

    `distance` Δ is one number for all wrong classes, or a matrix [y, i] (Crammer & Singer 2001; Tsochantaridis et al. 2005).
    """
    own = _one_hot(target, logits, "margin")
    delta = np.asarray(distance, logits.dtype)
    needed = (delta[target] if delta.ndim else delta) * (1 - own)
    each = (logits + needed - (logits * own).sum(axis=-1, keepdims=True)).max(axis=-1, ties="even")
    return _total(each, weights)


def _one_hot(target: Array, logits: Tensor, operation: str) -> Array:
    """0s and a 1 at each target, in the shape of the logits."""
    return np.asarray(_classes(target, logits, operation)[..., None] == np.arange(logits.shape[-1])).astype(logits.dtype)


def _classes(target: Array, logits: Tensor, operation: str) -> Array:
    """The targets, after a check that they are classes of the logits."""
    target, classes = np.asarray(target), logits.shape[-1]
    if target.dtype.kind not in "iu" or target.shape != logits.shape[:-1]:
        raise ValueError(f"{operation}: logits {logits.shape} need whole numbers of shape {logits.shape[:-1]}, not {target.dtype} {target.shape}")
    if target.size and not 0 <= target.min() <= target.max() < classes:
        raise ValueError(f"{operation}: targets {target.min()} … {target.max()} do not all lie in 0 … {classes - 1}, the classes of {logits.shape}")
    return target


def _error(prediction: Tensor, target: Array, operation: str) -> Tensor:
    target = np.asarray(target, prediction.dtype)
    _same_shape(prediction, target, operation)
    return prediction - target


def _same_shape(prediction: Tensor, target: Array, operation: str) -> None:
    # Broadcasting (n,) against (n, 1) would quietly compare every example with every other.
    if prediction.shape != target.shape:
        raise ValueError(f"{operation}: predictions {prediction.shape} and targets {target.shape} must have one shape")


def _total(each: Tensor, weights: Array | None) -> Total:
    if weights is None:
        return each.sum(), float(len(each))
    w = np.asarray(weights, each.dtype)
    return (each * w.reshape(*w.shape, *(1,) * (each.ndim - w.ndim))).sum(), float(w.sum())


def _outputs(values: Tensor) -> float:
    return float(max(math.prod(values.shape[1:]), 1))
