"""Pairs of layers on pictures and rows: products, convolutions, pooling, norms, blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sonde.nn.initialise import initialise_bilinear
from sonde.ops import pooling as fast_pooling
from sonde.ops import style as fast_style
from sonde.scratch import batch_norm as scratch_batch_norm
from sonde.scratch import layer_norm as scratch_layer_norm
from sonde.scratch import pooling as scratch_pooling
from sonde.scratch import style_losses as scratch_style
from sonde.scratch.convolution import conv1d as scratch_conv1d
from sonde.scratch.convolution import conv2d as scratch_conv2d
from sonde.scratch.convolution import conv3d as scratch_conv3d
from sonde.scratch.convolution import true_convolution as scratch_true_convolution
from sonde.scratch.dense import dense as scratch_dense
from sonde.scratch.dropout import dropout as scratch_dropout
from sonde.scratch.embedding import embedding as scratch_embedding
from sonde.scratch.residual_block import preactivation_block as scratch_preactivation_block
from sonde.scratch.residual_block import residual_block as scratch_residual_block
from sonde.scratch.transposed_convolution import bilinear_kernel
from sonde.scratch.transposed_convolution import transposed_convolution as scratch_transposed
from sonde.verify.cases import draws, tied, whole
from sonde.verify.pair import Array, Case, Pair


def dense() -> Pair:
    """Y = xWᵀ + b."""
    cases = [
        Case("batch 64", draws(x=(64, 30), weight=(20, 30), bias=(20,))),
        Case("empty batch", draws(x=(0, 5), weight=(3, 5), bias=(3,))),
        Case("one number", draws(x=(1, 1), weight=(1, 1), bias=(1,))),
        Case("more axes", draws(x=(2, 3, 4, 5), weight=(7, 5), bias=(7,))),
        Case("large magnitudes", draws(1e6, x=(3, 4), weight=(2, 4), bias=(2,))),
    ]
    return Pair(scratch_dense, lambda x, weight, bias: F.linear(x, weight, bias), cases)


def _convolutions(axes: int) -> list[Case]:
    def shapes(n: int, channels: int, out: int, size: int, kernel: int, groups: int = 1) -> dict[str, Array]:
        return draws(x=(n, channels, *(size + i for i in range(axes))), weight=(out, channels // groups, *[kernel] * axes), bias=(out,))

    return [
        Case("plain", shapes(4, 3, 5, 9, 3)),
        Case("stride and padding", shapes(2, 2, 3, 8, 3), {"stride": 2, "padding": 1}),
        Case("odd sizes, dilation", shapes(2, 1, 2, 9, 3), {"dilation": 2, "padding": 2}),
        Case("groups", shapes(2, 4, 6, 5, 2, groups=2), {"groups": 2}),
        Case("1×1", shapes(2, 3, 4, 3, 1)),
        Case("empty batch", shapes(0, 2, 3, 5, 3)),
        Case("kernel as large as the input", draws(x=(1, 1, *[3] * axes), weight=(1, 1, *[3] * axes), bias=(1,))),
    ]


def conv1d() -> Pair:
    """Cross-correlation along a line."""
    return Pair(scratch_conv1d, lambda x, weight, bias, **options: F.conv1d(x, weight, bias, **options), _convolutions(1))


def conv2d() -> Pair:
    """Cross-correlation over pictures."""
    large = Case("large magnitudes", draws(1e5, x=(1, 2, 5, 5), weight=(2, 2, 3, 3), bias=(2,)))
    return Pair(scratch_conv2d, lambda x, weight, bias, **options: F.conv2d(x, weight, bias, **options), [*_convolutions(2), large])


def conv3d() -> Pair:
    """Cross-correlation over volumes."""
    return Pair(scratch_conv3d, lambda x, weight, bias, **options: F.conv3d(x, weight, bias, **options), _convolutions(3))


def true_convolution() -> Pair:
    """The mathematician's convolution, with the kernel turned round."""

    def fast(x: Tensor, weight: Tensor, bias: Tensor, padding: int = 0) -> Tensor:
        return F.conv2d(x, weight.flip(2, 3), bias, padding=padding)

    cases = [
        Case("plain", draws(x=(2, 3, 7, 6), weight=(4, 3, 3, 3), bias=(4,))),
        Case("even kernel, padding", draws(x=(1, 1, 5, 5), weight=(1, 1, 2, 2), bias=(1,)), {"padding": 1}),
    ]
    return Pair(scratch_true_convolution, fast, cases, "torch.nn, kernel flipped")


def transposed_convolution() -> Pair:
    """The transposed matrix of a convolution."""
    cases = [
        Case("plain", draws(x=(2, 3, 5, 4), weight=(3, 2, 3, 3), bias=(2,))),
        Case("stride 2, padding", draws(x=(2, 2, 4, 5), weight=(2, 3, 4, 4), bias=(3,)), {"stride": 2, "padding": 1}),
        Case("output padding", draws(x=(1, 2, 3, 3), weight=(2, 2, 3, 3), bias=(2,)), {"stride": 2, "output_padding": 1}),
        Case("groups, dilation", draws(x=(1, 4, 3, 3), weight=(4, 1, 2, 2), bias=(2,)), {"groups": 2, "dilation": 2}),
        Case("empty batch", draws(x=(0, 1, 3, 3), weight=(1, 1, 2, 2), bias=(1,))),
    ]
    return Pair(scratch_transposed, lambda x, weight, bias, **options: F.conv_transpose2d(x, weight, bias, **options), cases)


def bilinear_start() -> Pair:
    """The kernel with which a transposed convolution begins as bilinear interpolation."""

    def fast(channels: int, size: int) -> Tensor:
        weight = torch.empty(channels, channels, size, size, dtype=torch.float64)
        initialise_bilinear(weight)
        return weight

    cases = [Case(f"{size}×{size}", {}, {"channels": 3, "size": size}) for size in (1, 2, 3, 4, 16)]
    return Pair(bilinear_kernel, fast, cases, "sonde.nn.initialise", gradients=False)


def style_losses() -> Pair:
    """Content, style by Gram matrices, total variation."""

    def both(module: Any, maps: Any, other: Any) -> tuple[Any, ...]:
        painted = module.gram(other)
        return module.content_loss(maps, other), module.gram(maps), module.style_loss(maps, painted), module.total_variation(maps)

    cases = [
        Case("maps", draws(maps=(2, 3, 6, 5), other=(2, 3, 6, 5))),
        Case("one pixel", draws(maps=(1, 4, 1, 1), other=(1, 4, 1, 1))),
        Case("one row", draws(maps=(1, 2, 1, 7), other=(1, 2, 1, 7))),
        Case("large magnitudes", draws(1e3, maps=(1, 2, 4, 4), other=(1, 2, 4, 4))),
    ]
    scratch, fast = partial(both, scratch_style), partial(both, fast_style)
    return Pair(lambda maps, other: scratch(maps, other), lambda maps, other: fast(maps, other), cases, "sonde.ops.style")


def _pictures() -> list[Case]:
    return [
        Case("even", draws(x=(4, 3, 8, 6)), {"kernel": 2}),
        Case("odd sizes", draws(x=(2, 1, 7, 5)), {"kernel": 2}),
        Case("ties", {"x": tied("x", (3, 2, 6, 6))}, {"kernel": 2}),
        Case("empty batch", draws(x=(0, 1, 4, 4)), {"kernel": 2}),
        Case("large magnitudes", draws(1e8, x=(1, 2, 4, 4)), {"kernel": 2}),
    ]


def max_pool() -> Pair:
    """The largest of each 2×2 window, of equal ones the first: the form that LeNet trains with."""
    return Pair(scratch_pooling.max_pool, lambda x, kernel: fast_pooling.pool(x, "max"), _pictures(), "sonde.ops.pooling")


def average_pool() -> Pair:
    """The mean of each 2×2 window."""
    return Pair(scratch_pooling.average_pool, lambda x, kernel: fast_pooling.pool(x, "average"), _pictures(), "sonde.ops.pooling")


def max_pool_windows() -> Pair:
    """Maxima of windows of any size, stride and padding."""
    cases = [
        Case("overlapping", draws(x=(2, 3, 7, 7)), {"kernel": 3, "stride": 2, "padding": 1}),
        Case("stride 1, ties", {"x": tied("x", (2, 2, 5, 6))}, {"kernel": 2, "stride": 1}),
        Case("dilation", draws(x=(1, 1, 8, 8)), {"kernel": 3, "stride": 1, "dilation": 2}),
    ]

    def fast(x: Tensor, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> Tensor:
        return F.max_pool2d(x, kernel, stride, padding, dilation)

    return Pair(scratch_pooling.max_pool, fast, cases)


def average_pool_windows() -> Pair:
    """Means of windows of any size, stride and padding."""
    cases = [
        Case("overlapping", draws(x=(2, 3, 7, 7)), {"kernel": 3, "stride": 2, "padding": 1}),
        Case("stride 1", draws(x=(2, 2, 5, 6)), {"kernel": 2, "stride": 1}),
    ]

    def fast(x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
        return F.avg_pool2d(x, kernel, stride, padding)

    return Pair(scratch_pooling.average_pool, fast, cases)


def global_average_pool() -> Pair:
    """One mean a channel."""
    return Pair(
        scratch_pooling.global_average_pool,
        lambda x: x.mean((2, 3)),
        [Case("7×5", draws(x=(3, 4, 7, 5))), Case("one pixel", draws(x=(2, 3, 1, 1)))],
    )


def batch_norm() -> Pair:
    """Training: the batch's statistics, and the running ones after it, by the form that ResNet trains with."""
    from sonde.nn.batch_norm import BatchNorm

    def fast(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, training: bool) -> tuple[Tensor, ...]:
        layer = BatchNorm(x.shape[1]).to(x.dtype).train(training)
        layer.running_mean.copy_(mean.detach())
        layer.running_var.copy_(var.detach())
        y = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))
        return y, layer.running_mean, layer.running_var

    def scratch(x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool) -> tuple[Any, ...]:
        return scratch_batch_norm.batch_norm(x, mean.data, var.data, weight, bias, training=training)

    def case(name: str, shape: tuple[int, ...], *, scale: float = 1.0, training: bool = True) -> Case:
        channels = (shape[1],)
        inputs = draws(scale, x=shape) | draws(weight=channels, bias=channels, mean=channels)
        return Case(name, inputs | {"var": np.abs(draws(var=channels)["var"]) + 0.5}, {"training": training})

    cases = [
        case("pictures", (4, 3, 5, 6)),
        case("rows", (8, 5)),
        case("two rows", (2, 4)),
        case("evaluation", (3, 4, 2, 2), training=False),
        case("evaluation of one row", (1, 4), training=False),
        case("large magnitudes", (6, 2, 3, 3), scale=1e3),
    ]
    # In float32 a variance of large numbers and its running mean are sums of thousands of squares.
    return Pair(scratch, fast, cases, "sonde.nn.batch_norm")


def layer_norm() -> Pair:
    """Each row by itself."""
    cases = [
        Case("rows", draws(x=(6, 10), weight=(10,), bias=(10,))),
        Case("steps", draws(x=(2, 5, 8), weight=(8,), bias=(8,))),
        Case("empty batch", draws(x=(0, 4), weight=(4,), bias=(4,))),
        Case("large magnitudes", draws(1e3, x=(3, 6)) | draws(weight=(6,), bias=(6,))),
    ]
    return Pair(scratch_layer_norm.layer_norm, lambda x, weight, bias: F.layer_norm(x, weight.shape, weight, bias), cases)


def embedding() -> Pair:
    """Rows of a table; rows used twice gather both gradients."""
    cases = [
        Case("steps", {"tokens": whole("t", (4, 7), 11)} | draws(weight=(11, 5))),
        Case("the same row again and again", {"tokens": np.zeros((6,), np.int64)} | draws(weight=(3, 2))),
        Case("empty batch", {"tokens": np.zeros((0, 3), np.int64)} | draws(weight=(4, 2))),
    ]
    return Pair(scratch_embedding, lambda tokens, weight: F.embedding(tokens, weight), cases)


def dropout() -> Pair:
    """The identity in evaluation. (In training each side draws its own mask; tests hold the scale and the share.)"""
    from sonde.nn.dropout import Dropout

    def scratch(x: Any) -> Any:
        return scratch_dropout(x, 0.4, np.random.default_rng(0), training=False)

    return Pair(scratch, lambda x: Dropout(0.4).eval()(x), [Case("evaluation", draws(x=(4, 5)))], "sonde.nn.dropout")


BLOCK = ("conv1.weight", "conv2.weight", "bn1.weight", "bn1.bias", "bn2.weight", "bn2.bias")
# The fast block's names for the same weights.
PREACTIVATION = {"conv1": "convs.0", "conv2": "convs.1", "bn1": "norms.0", "bn2": "norms.1", "downsample.0": "shortcut"}


def residual_block() -> Pair:
    """ResNet's block in training and evaluation, with and without a changed shape, against the file that trains it."""
    from sonde.models.resnet import BasicBlock

    def fast(x: Tensor, stride: int, training: bool, **weights: Tensor) -> Tensor:
        block = BasicBlock(x.shape[1], len(weights["conv1.weight"]), stride=stride).to(x.dtype).train(training)
        y: Tensor = torch.func.functional_call(block, weights, (x,))
        return y

    cases = [
        _block("same shape", 4, 4, stride=1, training=True),
        _block("half the size", 2, 4, stride=2, training=True, down=("downsample.0.weight", "downsample.1.weight", "downsample.1.bias")),
        _block("evaluation", 3, 3, stride=1, training=False),
    ]
    return Pair(_scratch_block(scratch_residual_block, bn1="out"), fast, cases, "sonde.models.resnet")


def preactivation_block() -> Pair:
    """Norm and activation before each convolution, against the file that trains 1,001 layers."""
    from sonde.models.preresnet import Block

    def fast(x: Tensor, stride: int, training: bool, **weights: Tensor) -> Tensor:
        block = Block(x.shape[1], len(weights["conv1.weight"]), stride=stride, bottleneck=False).to(x.dtype).train(training)
        named = {}
        for name, w in weights.items():
            layer, _, part = name.rpartition(".")
            named[f"{PREACTIVATION[layer]}.{part}"] = w
        y: Tensor = torch.func.functional_call(block, named, (x,))
        return y

    cases = [
        _block("same shape", 4, 4, stride=1, training=True),
        _block("half the size", 2, 4, stride=2, training=True, down=("downsample.0.weight",), bn1=2),
        _block("evaluation", 3, 3, stride=1, training=False),
    ]
    return Pair(_scratch_block(scratch_preactivation_block, bn1="channels"), fast, cases, "sonde.models.preresnet")


def _block(name: str, channels: int, out: int, *, stride: int, training: bool, down: tuple[str, ...] = (), bn1: int | None = None) -> Case:
    """X and the weights of a residual block, named as torchvision has them; `bn1` where its channels are not `out`."""
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (out, channels, 3, 3),
        "conv2.weight": (out, out, 3, 3),
        "downsample.0.weight": (out, channels, 1, 1),
    }
    if bn1 is not None:
        shapes |= {"bn1.weight": (bn1,), "bn1.bias": (bn1,)}
    weights = draws(0.3, **{key: shapes.get(key, (out,)) for key in BLOCK + down})
    return Case(name, draws(x=(3, channels, 6, 6)) | weights, {"stride": stride, "training": training})


def _scratch_block(block: Callable[..., Any], *, bn1: str) -> Callable[..., Any]:
    """The block with fresh running statistics: mean 0 and variance 1."""

    def scratch(x: Any, stride: int, training: bool, **weights: Any) -> Any:
        out = weights["conv1.weight"].shape[0]
        sizes = {"bn1": out if bn1 == "out" else x.shape[1], "bn2": out}
        if "downsample.1.weight" in weights:
            sizes["downsample.1"] = out
        kept = {f"{norm}.running_mean": np.zeros(size, x.dtype) for norm, size in sizes.items()}
        kept |= {f"{norm}.running_var": np.ones(size, x.dtype) for norm, size in sizes.items()}
        return block(x, weights, kept, stride=stride, training=training)[0]

    return scratch
