"""What PyTorch's core operations compute, in NumPy. OPERATIONS is the whole list: an operation that is not in it cannot be exported.

Names are those of PyTorch's ATen library, overload included; arguments are called as there. Results need not have the right dtype:
the graph says it. Convolution and pooling stand in windows.py.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .windows import adaptive_average, adaptive_maximum, average_pool, bilinear, convolution, maximum_pool, nearest

Array = Any  # an array; a NumPy scalar where nothing is left of its axes
Number = int | float
Axes = Sequence[int] | int | None


def _erf(x: Array) -> Array:
    """The error function to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26)."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-x * x))


def _sigmoid(x: Array) -> Array:
    """1/(1 + e^−x), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def _gelu(x: Array, approximate: str = "none") -> Array:
    if approximate == "tanh":
        return x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * 0.5 * (1 + _erf(x * math.sqrt(0.5)))


def _elu(x: Array, alpha: Number = 1, scale: Number = 1, input_scale: Number = 1) -> Array:
    return np.where(x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x * input_scale, 0)))


def _softmax(x: Array, dim: int, half_to_float: bool = False) -> Array:
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


def _log_softmax(x: Array, dim: int, half_to_float: bool = False) -> Array:
    z = x - x.max(axis=dim, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=dim, keepdims=True))


def _clamp(x: Array, min: Any = None, max: Any = None) -> Array:
    x = x if min is None else np.maximum(x, min)
    return x if max is None else np.minimum(x, max)


def _addmm(bias: Array, a: Array, b: Array, beta: Number = 1, alpha: Number = 1) -> Array:
    product = a @ b
    return product + bias if beta == alpha == 1 else beta * bias + alpha * product


def _batch_norm(x: Array, weight: Array | None, bias: Array | None, mean: Array, var: Array, momentum: Number, eps: Number) -> tuple[Array, ...]:
    shape = (1, -1) + (1,) * (x.ndim - 2)
    scale = 1 / np.sqrt(var + eps) if weight is None else weight / np.sqrt(var + eps)
    shift = -mean * scale if bias is None else bias - mean * scale
    return (x * scale.reshape(shape) + shift.reshape(shape),)


def _layer_norm(x: Array, weight: Array | None, bias: Array | None, normalized_shape: Sequence[int], eps: Number) -> tuple[Array, ...]:
    axes = tuple(range(-len(normalized_shape), 0))
    centred = x - x.mean(axis=axes, keepdims=True)
    y = centred / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias,)


def _group_norm(
    x: Array, weight: Array | None, bias: Array | None, N: int, C: int, HxW: int, group: int, eps: Number
) -> tuple[Array, ...]:
    (y,) = _layer_norm(x.reshape(len(x), group, -1), None, None, (1,), eps)
    y, shape = y.reshape(x.shape), (1, -1) + (1,) * (x.ndim - 2)
    y = y if weight is None else y * weight.reshape(shape)
    return (y if bias is None else y + bias.reshape(shape),)


def _axes(dim: Axes) -> tuple[int, ...] | int | None:
    """PyTorch says [] or None for all axes."""
    return None if dim is None or (not isinstance(dim, int) and not len(dim)) else dim if isinstance(dim, int) else tuple(dim)


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction over some axes; PyTorch's `dtype` is the graph's affair."""

    def reduced(x: Array, dim: Axes = None, keepdim: bool = False, dtype: str | None = None) -> Array:
        return function(x, axis=_axes(dim), keepdims=keepdim)

    return reduced


def _extreme(value: Callable[..., Any], place: Callable[..., Any]) -> Callable[..., Any]:
    """max.dim and min.dim: values and places."""

    def both(x: Array, dim: int, keepdim: bool = False) -> tuple[Array, ...]:
        return value(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)

    return both


def _place(function: Callable[..., Any]) -> Callable[..., Any]:
    def found(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        return function(x, axis=dim, keepdims=keepdim)

    return found


def _var(x: Array, dim: Axes = None, correction: Number | None = None, keepdim: bool = False) -> Array:
    return np.var(x, axis=_axes(dim), ddof=1 if correction is None else correction, keepdims=keepdim)


def _norm(x: Array, ord: Number = 2, dim: Axes = None, keepdim: bool = False, dtype: str | None = None) -> Array:
    axes = _axes(dim)
    if math.isinf(ord):
        return (np.max if ord > 0 else np.min)(np.abs(x), axis=axes, keepdims=keepdim)
    return np.sum(np.abs(x) ** ord, axis=axes, keepdims=keepdim) ** (1 / ord)


def _sort(x: Array, dim: int = -1, descending: bool = False) -> tuple[Array, Array]:
    order = np.argsort(-x if descending else x, axis=dim, kind="stable")
    return np.take_along_axis(x, order, axis=dim), order


def _topk(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Array]:
    values, order = _sort(x, dim, descending=largest)
    return np.take(values, range(k), axis=dim), np.take(order, range(k), axis=dim)


def _expand(x: Array, size: Sequence[int], implicit: bool = False) -> Array:
    known = (1,) * (len(size) - x.ndim) + x.shape
    return np.broadcast_to(x, [old if new == -1 else new for old, new in zip(known, size, strict=True)])


def _squeeze(x: Array, dim: Axes = None) -> Array:
    axes = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return np.squeeze(x, axis=tuple(axis for axis in axes if x.shape[axis] == 1))


def _slice(x: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Array:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


def _slice_scatter(x: Array, src: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Array:
    """X with `src` in the place of its slice."""
    y = np.array(x)
    _slice(y, dim, start, end, step)[...] = src
    return y


def _select_scatter(x: Array, src: Array, dim: int, index: int) -> Array:
    """X with `src` in the place of one of its entries."""
    y = np.array(x)
    np.moveaxis(y, dim, 0)[index] = src
    return y


def _split(x: Array, sizes: Sequence[int], dim: int = 0) -> list[Array]:
    return np.split(x, np.cumsum(sizes)[:-1], axis=dim)


def _even_split(x: Array, split_size: int, dim: int = 0) -> list[Array]:
    return np.split(x, range(split_size, x.shape[dim], split_size), axis=dim)


def _index(x: Array, indices: Sequence[Array | None]) -> Array:
    """Advanced indexing; None keeps an axis. NumPy's rules are PyTorch's."""
    return x[tuple(slice(None) if index is None else index for index in indices)]


def _pad(x: Array, pad: Sequence[int], value: Number = 0) -> Array:
    """`pad` begins with the last axis; negative widths cut."""
    widths = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    x = x[tuple(slice(max(-left, 0), size - max(-right, 0)) for (left, right), size in zip(widths, x.shape, strict=True))]
    return np.pad(x, [(max(left, 0), max(right, 0)) for left, right in widths], constant_values=value)


def _embedding(weight: Array, indices: Array, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Array:
    return weight[indices]


def _addcmul(x: Array, a: Array, b: Array, value: Number = 1) -> Array:
    return x + a * b if value == 1 else x + value * a * b


def _div(x: Array, other: Any, rounding_mode: str | None = None) -> Array:
    result = np.true_divide(x, other)
    return result if rounding_mode is None else np.floor(result) if rounding_mode == "floor" else np.trunc(result)


def _add(x: Any, other: Any, alpha: Number = 1) -> Any:
    return x + other if alpha == 1 else x + alpha * other


def _sub(x: Any, other: Any, alpha: Number = 1) -> Any:
    return x - other if alpha == 1 else x - alpha * other


def _full(size: Sequence[int], fill_value: Number = 0, dtype: str | None = None) -> Array:
    return np.full(size, fill_value, dtype=dtype)


def _like(value: Number) -> Callable[..., Any]:
    def filled(x: Array, dtype: str | None = None) -> Array:
        return np.full(x.shape, value)

    return filled


def _same(x: Array, dtype: str | None = None) -> Array:
    return x


def _repeat(x: Array, repeats: Sequence[int]) -> Array:
    return np.tile(x, repeats)


def _leaky_relu(x: Array, negative_slope: Number = 0.01) -> Array:
    return np.where(x > 0, x, x * negative_slope)


def _scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operation of an array and a number, which PyTorch calls `other`."""
    return lambda x, other: function(x, other)


_UNARY: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "neg": np.negative, "sign": np.sign, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "log2": np.log2, "log10": np.log10, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "reciprocal": lambda x: 1 / x,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "atan": np.arctan,
    "floor": np.floor, "ceil": np.ceil, "round": np.round, "trunc": np.trunc, "isnan": np.isnan, "isinf": np.isinf,
    "logical_not": np.logical_not, "bitwise_not": np.invert, "erf": _erf, "sigmoid": _sigmoid, "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * _sigmoid(x), "alias": _same, "detach": _same, "clone": _same, "lift_fresh_copy": _same, "_to_copy": _same,
}  # fmt: skip
_BINARY: dict[str, Callable[..., Any]] = {
    "mul": np.multiply, "pow": np.power, "fmod": np.fmod, "remainder": np.mod, "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}  # fmt: skip

OPERATIONS: dict[str, Callable[..., Any]] = {
    # numbers of the batch, and one of several results
    "mul": operator.mul, "add": operator.add, "sub": operator.sub, "floordiv": operator.floordiv, "mod": operator.mod,
    "neg": operator.neg, "sym_size.int": lambda x, dim: x.shape[dim], "getitem": lambda values, index: values[index],
    # element by element
    **{f"{name}.default": function for name, function in _UNARY.items()},
    **{f"{name}.Tensor": function for name, function in _BINARY.items()},
    **{f"{name}.Scalar": _scalar(function) for name, function in _BINARY.items() if name != "pow"},
    "pow.Tensor_Tensor": np.power, "pow.Tensor_Scalar": lambda x, exponent: np.power(x, exponent),
    "pow.Scalar": lambda exponent, self: np.power(self, exponent),
    "add.Tensor": _add, "add.Scalar": _add, "sub.Tensor": _sub, "sub.Scalar": _sub,
    "rsub.Scalar": lambda x, other, alpha=1: other - alpha * x,
    "div.Tensor": _div, "div.Scalar": _div, "div.Tensor_mode": _div, "addcmul.default": _addcmul,
    "maximum.default": np.maximum, "minimum.default": np.minimum, "logical_and.default": np.logical_and,
    "logical_or.default": np.logical_or, "logical_xor.default": np.logical_xor, "where.self": np.where,
    "clamp.default": _clamp, "clamp.Tensor": _clamp, "hardtanh.default": lambda x, min_val, max_val: _clamp(x, min_val, max_val),
    "masked_fill.Scalar": lambda x, mask, value: np.where(mask, value, x), "gelu.default": _gelu, "elu.default": _elu,
    "leaky_relu.default": _leaky_relu,
    # products
    "mm.default": np.matmul, "bmm.default": np.matmul, "addmm.default": _addmm, "baddbmm.default": _addmm,
    "convolution.default": convolution, "embedding.default": _embedding,
    # normalisation
    "_native_batch_norm_legit_no_training.default": _batch_norm, "native_layer_norm.default": _layer_norm,
    "native_group_norm.default": _group_norm, "_softmax.default": _softmax, "_log_softmax.default": _log_softmax,
    # pooling
    "max_pool2d_with_indices.default": maximum_pool, "max_pool3d_with_indices.default": maximum_pool,
    "avg_pool1d.default": average_pool, "avg_pool2d.default": average_pool, "avg_pool3d.default": average_pool,
    "_adaptive_avg_pool2d.default": adaptive_average, "_adaptive_avg_pool3d.default": adaptive_average,
    "adaptive_max_pool2d.default": adaptive_maximum, "upsample_nearest2d.vec": nearest,
    "upsample_bilinear2d.vec": bilinear,
    # over axes
    "sum.dim_IntList": _reduce(np.sum), "sum.default": _reduce(np.sum), "mean.dim": _reduce(np.mean), "mean.default": _reduce(np.mean),
    "amax.default": _reduce(np.max), "amin.default": _reduce(np.min), "prod.dim_int": _reduce(np.prod), "any.default": _reduce(np.any),
    "any.dim": _reduce(np.any), "any.dims": _reduce(np.any), "all.default": _reduce(np.all), "all.dim": _reduce(np.all),
    "max.dim": _extreme(np.max, np.argmax), "min.dim": _extreme(np.min, np.argmin), "argmax.default": _place(np.argmax),
    "argmin.default": _place(np.argmin), "var.correction": _var, "linalg_vector_norm.default": _norm, "sort.default": _sort,
    "topk.default": _topk, "cumsum.default": lambda x, dim, dtype=None: np.cumsum(x, axis=dim),
    # shapes and places
    "view.default": lambda x, size: x.reshape(size), "permute.default": lambda x, dims: x.transpose(dims), "expand.default": _expand,
    "squeeze.default": _squeeze, "squeeze.dim": _squeeze, "squeeze.dims": _squeeze,
    "unsqueeze.default": lambda x, dim: np.expand_dims(x, dim), "cat.default": lambda tensors, dim=0: np.concatenate(tensors, axis=dim),
    "slice.Tensor": _slice, "select.int": lambda x, dim, index: np.take(x, index, axis=dim),
    "split_with_sizes.default": lambda x, split_sizes, dim=0: _split(x, split_sizes, dim),
    "split.Tensor": _even_split, "flip.default": lambda x, dims: np.flip(x, tuple(dims)), "repeat.default": _repeat, "index.Tensor": _index,
    "index_select.default": lambda x, index, dim: np.take(x, index, axis=dim),
    "gather.default": lambda x, index, dim, sparse_grad=False: np.take_along_axis(x, index, axis=dim), "constant_pad_nd.default": _pad,
    "slice_scatter.default": _slice_scatter, "select_scatter.default": _select_scatter,
    "copy.default": lambda x, src: np.broadcast_to(src, x.shape),
    "tril.default": lambda x, diagonal=0: np.tril(x, diagonal), "triu.default": lambda x, diagonal=0: np.triu(x, diagonal),
    # constants
    "full.default": _full, "zeros.default": _full, "empty.memory_format": _full,
    "empty_permuted.default": lambda size, physical_layout, dtype=None: np.zeros(size), "ones.default": lambda size, dtype=None: np.ones(size),
    "scalar_tensor.default": lambda s, dtype=None: np.asarray(s),
    "full_like.default": lambda x, fill_value, dtype=None: np.full(x.shape, fill_value),
    "zeros_like.default": _like(0), "ones_like.default": _like(1),
    "arange.start_step": lambda start, end, step=1, dtype=None: np.arange(start, end, step),
}  # fmt: skip
