"""The residual block (He et al. 2016): what is learned is the difference f(x) from the identity.

    after   y = relu(x′ + bn₂(conv₂(relu(bn₁(conv₁(x))))))        "Deep residual learning for image recognition"
    before  y = x′ + conv₂(relu(bn₂(conv₁(relu(bn₁(x))))))        "Identity mappings in deep residual networks": pre-activation

x′ is x, or where the block changes the shape its 1×1 convolution. With the last γ = 0 (after; for x ≥ 0) or the last
kernel = 0 (before; any x) the block is the identity.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sonde.scratch.batch_norm import batch_norm
from sonde.scratch.convolution import conv2d
from sonde.scratch.tensor import Tensor, as_tensor

Statistics = dict[str, np.ndarray]


def residual_block(
    x: Tensor | np.ndarray,
    weights: Mapping[str, Tensor | np.ndarray],
    statistics: Mapping[str, np.ndarray],
    *,
    stride: int = 1,
    training: bool,
) -> tuple[Tensor, Statistics]:
    """From x (n, channels, height, width) → (n, out, ⌈height/stride⌉, ⌈width/stride⌉), and the running statistics to keep.

    `weights`: conv1.weight (out, channels, 3, 3), conv2.weight (out, out, 3, 3), bn1 and bn2's .weight and .bias (out,), and
    where the shape changes downsample.0.weight (out, channels, 1, 1), downsample.1.weight and .bias.
    `statistics`: running_mean and running_var of bn1, bn2 and downsample.1. All names are torchvision's.
    """
    x, kept = as_tensor(x), dict(statistics)
    y = _norm("bn1", conv2d(x, weights["conv1.weight"], stride=stride, padding=1), weights, kept, training).relu()
    y = _norm("bn2", conv2d(y, weights["conv2.weight"], padding=1), weights, kept, training)
    if "downsample.0.weight" in weights:
        x = _norm("downsample.1", conv2d(x, weights["downsample.0.weight"], stride=stride), weights, kept, training)
    return (x + y).relu(), kept


def preactivation_block(
    x: Tensor | np.ndarray,
    weights: Mapping[str, Tensor | np.ndarray],
    statistics: Mapping[str, np.ndarray],
    *,
    stride: int = 1,
    training: bool,
) -> tuple[Tensor, Statistics]:
    """The same with norm and ReLU before the convolutions; downsample.0 sees relu(bn₁(x)) and has no norm of its own."""
    x, kept = as_tensor(x), dict(statistics)
    active = _norm("bn1", x, weights, kept, training).relu()
    y = conv2d(active, weights["conv1.weight"], stride=stride, padding=1)
    y = conv2d(_norm("bn2", y, weights, kept, training).relu(), weights["conv2.weight"], padding=1)
    if "downsample.0.weight" in weights:
        x = conv2d(active, weights["downsample.0.weight"], stride=stride)
    return x + y, kept


def _norm(name: str, x: Tensor, weights: Mapping[str, Tensor | np.ndarray], kept: Statistics, training: bool) -> Tensor:
    mean, var = f"{name}.running_mean", f"{name}.running_var"
    y, kept[mean], kept[var] = batch_norm(x, kept[mean], kept[var], weights[f"{name}.weight"], weights[f"{name}.bias"], training=training)
    return y
