"""Every operation with its derivative, in one table: ROWS[name] holds the value rule and the backward rule.

For y = f(x₁, …, xₙ) and the gradient g = ∂L/∂y (the shape of y), the backward rule gives ∂L/∂xᵢ = Jᵢᵀ g for each input:
reverse accumulation (Linnainmaa 1970; Griewank & Walther, Evaluating Derivatives, 2008). A new operation is one new row.

Backward rules are themselves written in operations of this table (operators, methods that Tensor shares with
numpy.ndarray, and `do`), so a backward pass can be recorded and differentiated again. `Array` is therefore a
numpy.ndarray, or a Tensor while the backward pass is recorded.

Sub-gradients, where a derivative does not exist: |x| and max(x, 0) have 0 at 0; maximum(a, b) gives each side half where
a = b; max over an axis gives its gradient to the first of equal maxima, or shares it evenly (ties="even").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sonde.scratch import gru_kernel, kernels
from sonde.scratch.row import Array, Backward, OperationError, Options, Row


def do(name: str, *inputs: Array, options: Options | None = None) -> Array:
    """An operation of the table on arrays, or, if any input is a Tensor, on Tensors (and recorded there)."""
    for x in inputs:
        if not isinstance(x, (np.ndarray, np.generic, bool, int, float)):
            return x.apply(name, inputs, options or {})
    result = ROWS[name].forward(*inputs, **(options or {}))
    return result[0] if ROWS[name].saves else result


def each(*rules: Callable[..., Array] | None) -> Backward:
    """A backward rule from one rule(g, y, *inputs, **options) per input; None for inputs that have no gradient."""

    def backward(g: Array, inputs: tuple[Array, ...], output: Array, need: tuple[bool, ...], options: Options) -> tuple[Array | None, ...]:
        return tuple([rule(g, output, *inputs, **options) if rule and wanted else None for rule, wanted in zip(rules, need, strict=True)])

    return backward


def sum_to(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: sum g over the axes along which an array of this shape was repeated."""
    if g.shape == shape:
        return g
    front = g.ndim - len(shape)
    axes = tuple(range(front)) + tuple(front + i for i, n in enumerate(shape) if n == 1 and g.shape[front + i] != 1)
    return g.sum(axis=axes).reshape(shape)


def _spread(g: Array, x: Array, axis: Any) -> Array:
    """The gradient of a reduction brought back to the shape of x: each place gets its sum's gradient."""
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)]
    return do("broadcast_to", g.reshape(tuple(1 if i in axes else n for i, n in enumerate(x.shape))), options={"shape": x.shape})


# --- backward rules longer than a line ---------------------------------------------------------------------------------------


def _power_base(g: Array, y: Array, x: Array, p: Array) -> Array:
    """∂xᵖ/∂x = p xᵖ⁻¹, and 0 for p = 0 whatever x."""
    if p.ndim == 0 and p == 2:
        return g * (x + x)
    return g * p * x ** do("where", p == 0, 1.0, p - 1)


def _power_exponent(g: Array, y: Array, x: Array, p: Array) -> Array:
    """∂xᵖ/∂p = xᵖ ln x, and 0 at x = 0."""
    zero = x == 0
    return do("where", zero, 0.0, g * y * do("log", do("where", zero, 1.0, x)))


def _larger(g: Array, y: Array, a: Array, b: Array) -> Array:
    """Maximum's gradient for a: all where a > b, half where they are equal."""
    return g * ((a > b) + (a == b) * 0.5).astype(g.dtype)


def _max_back(g: Array, y: Array, x: Array, axis: Any = None, keepdims: bool = False, ties: str = "first") -> Array:
    values = x if isinstance(x, np.ndarray) else x.data
    return _spread(g, x, axis) * kernels.max_share(values, axis, ties)


def _max_tangent(inputs: tuple[Array, ...], tangents: tuple[Array | None, ...], output: Array, options: Options) -> Array:
    x, t, axis = inputs[0], np.asarray(tangents[0]), options.get("axis")
    total = (t * kernels.max_share(x, axis, options.get("ties", "first"))).sum(axis=kernels.behind(axis, x.ndim))
    return total.reshape(t.shape[0], *output.shape)


def _matmul_left(g: Array, y: Array, a: Array, b: Array) -> Array:
    """Y = A B: ∂L/∂A = G Bᵀ. Vectors count as a row on the left and a column on the right."""
    if b.ndim == 1:
        return sum_to(g.reshape(*g.shape, 1) * b, a.shape)
    return sum_to((g.reshape(*g.shape[:-1], 1, g.shape[-1]) if a.ndim == 1 else g) @ b.swapaxes(-1, -2), a.shape)


def _matmul_right(g: Array, y: Array, a: Array, b: Array) -> Array:
    """Y = A B: ∂L/∂B = Aᵀ G; for a B that is a transposed view (weights stored output × input) as (Gᵀ A)ᵀ, no copy needed later."""
    if a.ndim == 1:
        a = a.reshape(1, -1)
        g = g.reshape(*g.shape[:-1], 1, g.shape[-1]) if b.ndim > 1 else g.reshape(1)
    if b.ndim == 1:
        return sum_to(g.reshape(*g.shape, 1) * a, b.shape)
    if b.ndim == 2 and a.ndim > 2:  # all leading axes are one long sum
        rows = math.prod(a.shape[:-1])
        a, g = a.reshape(rows, a.shape[-1]), g.reshape(rows, g.shape[-1])
    if b.ndim == 2 and isinstance(b, np.ndarray) and b.flags.f_contiguous:
        return (g.T @ a).T
    return sum_to(a.swapaxes(-1, -2) @ g, b.shape)


def _dense_back(g: Array, inputs: tuple[Array, ...], output: Array, need: tuple[bool, ...], options: Options) -> tuple[Array | None, ...]:
    """Y = X Wᵀ + b: ∂L/∂X = G W, ∂L/∂W = Gᵀ X, ∂L/∂b = Σ rows of G."""
    x, w, *_ = inputs
    rows = math.prod(x.shape[:-1])
    flat = g.reshape(rows, g.shape[-1])
    gradients = (lambda: (flat @ w).reshape(x.shape), lambda: flat.T @ x.reshape(rows, x.shape[-1]), lambda: flat.sum(axis=0))
    return tuple(gradient() if wanted else None for gradient, wanted in zip(gradients, need, strict=False))


def _dense_tangent(inputs: tuple[Array, ...], tangents: tuple[Array | None, ...], output: Array, options: Options) -> Array:
    (x, w, *_), (tx, tw, *tb) = inputs, tangents
    parts = [] if tx is None else [kernels.dense(tx, w)]
    parts += [] if tw is None else [(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) @ tw.swapaxes(1, 2)).reshape(len(tw), *output.shape)]
    parts += [t.reshape(len(t), *(1,) * (output.ndim - 1), len(w)) for t in tb if t is not None]
    return np.broadcast_to(sum(parts), (len(parts[0]), *output.shape))


def _einsum_back(g: Array, inputs: tuple[Array, ...], output: Array, need: tuple[bool, ...], options: Options) -> tuple[Array | None, ...]:
    """Each operand's gradient is the einsum of g and the other operands onto its own letters (spread over letters only it has)."""
    if "->" not in options["subscripts"]:
        raise OperationError(f"einsum {options['subscripts']!r}: name the output's letters with '->' when gradients are wanted")
    left, result = options["subscripts"].replace(" ", "").split("->")
    letters = left.split(",")

    def one(k: int) -> Array:
        own = letters[k].replace("...", "")
        if len(set(own)) < len(own):
            raise OperationError(f"einsum {options['subscripts']!r}: operand {k} repeats a letter; no gradient rule for diagonals")
        names = [result, *letters[:k], *letters[k + 1 :]]
        known = "".join(c for c in letters[k] if c == "." or any(c in other for other in names))
        found = do("einsum", g, *inputs[:k], *inputs[k + 1 :], options={"subscripts": ",".join(names) + "->" + known})
        if known == letters[k]:
            return sum_to(found, inputs[k].shape)
        ones = tuple(n if c in known else 1 for c, n in zip(letters[k], inputs[k].shape, strict=True))
        return do("broadcast_to", found.reshape(ones), options={"shape": inputs[k].shape})

    return tuple(one(k) if wanted else None for k, wanted in enumerate(need))


def _join_back(g: Array, inputs: tuple[Array, ...], output: Array, need: tuple[bool, ...], options: Options) -> tuple[Array | None, ...]:
    """Concatenate: each input gets its own stretch of g."""
    axis = options["axis"] % g.ndim
    ends = [0, *itertools.accumulate(x.shape[axis] for x in inputs)]
    return tuple(g[(slice(None),) * axis + (slice(*ends[k : k + 2]),)] if wanted else None for k, wanted in enumerate(need))


def _stack_back(g: Array, inputs: tuple[Array, ...], output: Array, need: tuple[bool, ...], options: Options) -> tuple[Array | None, ...]:
    front = (slice(None),) * (options["axis"] % g.ndim)
    return tuple(g[(*front, k)] if wanted else None for k, wanted in enumerate(need))


def _transpose_back(g: Array, y: Array, x: Array, axes: tuple[int, ...] | None = None) -> Array:
    return g.transpose() if axes is None else g.transpose(tuple(int(i) for i in np.argsort([a % g.ndim for a in axes])))


def _windowed(shape: Any, kernel: Any, stride: Any, dilation: Any) -> Options:
    return {"kernel": kernel, "stride": stride, "dilation": dilation, **({"shape": shape} if shape else {})}


def _pad_lift(options: Options, ndim: int, directions: int) -> Options:
    return {"widths": ((0, 0), *options["widths"])}  # the value that was padded with is a constant: its tangent is 0


def _index_lift(options: Options, ndim: int, directions: int) -> Options | None:
    """Directions are a whole slice in front; NumPy would move it behind the results of some index arrays, so not for those."""
    index, shape = options["index"], {"shape": (directions, *options["shape"])} if "shape" in options else {}
    return {"index": (slice(None), *(index if isinstance(index, tuple) else (index,))), **shape} if kernels.is_basic(index) else None


# --- the table ---------------------------------------------------------------------------------------------------------------

E, L, P = "elementwise", "linear", "product"
ROWS: dict[str, Row] = {
    # arithmetic, with broadcasting
    "add": Row(np.add, each(lambda g, y, a, b: g, lambda g, y, a, b: g), E),
    "subtract": Row(np.subtract, each(lambda g, y, a, b: g, lambda g, y, a, b: -g), E),
    "multiply": Row(np.multiply, each(lambda g, y, a, b: g * b, lambda g, y, a, b: g * a), E, "others"),
    "divide": Row(np.divide, each(lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b), E, "both"),
    "power": Row(kernels.power, each(_power_base, _power_exponent), E, "both"),
    "negative": Row(np.negative, each(lambda g, y, x: -g), E),
    # functions of each element
    "exp": Row(np.exp, each(lambda g, y, x: g * y), E, "output"),
    "log": Row(np.log, each(lambda g, y, x: g / x), E, "inputs"),
    "sqrt": Row(np.sqrt, each(lambda g, y, x: 0.5 * g / y), E, "output"),
    "sin": Row(np.sin, each(lambda g, y, x: g * do("cos", x)), E, "inputs"),
    "cos": Row(np.cos, each(lambda g, y, x: -g * do("sin", x)), E, "inputs"),
    "tanh": Row(np.tanh, each(lambda g, y, x: g * (1 - y * y)), E, "output"),
    "sigmoid": Row(kernels.sigmoid, each(lambda g, y, x: g * (y * (1 - y))), E, "output"),
    "erf": Row(kernels.erf, each(lambda g, y, x: g * (2 / np.pi**0.5) * do("exp", -x * x)), E, "inputs"),
    "relu": Row(lambda x: np.maximum(x, 0), each(lambda g, y, x: g * (y > 0)), E, "output"),
    "abs": Row(np.abs, each(lambda g, y, x: g * (1.0 * (x > 0) - (x < 0)).astype(g.dtype)), E, "inputs"),
    "maximum": Row(np.maximum, each(_larger, lambda g, y, a, b: _larger(g, y, b, a)), E, "inputs"),
    "where": Row(np.where, each(None, lambda g, y, m, a, b: do("where", m, g, 0.0), lambda g, y, m, a, b: do("where", m, 0.0, g)), E, "inputs"),
    "cast": Row(lambda x, dtype: x.astype(dtype), each(lambda g, y, x, dtype: do("cast", g, options={"dtype": x.dtype})), L),
    # reductions
    "sum": Row(
        lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims),
        each(lambda g, y, x, axis=None, keepdims=False: _spread(g, x, axis)),
        L,
        lift=lambda o, n, d: {**o, "axis": kernels.behind(o.get("axis"), n)},
    ),
    "mean": Row(
        lambda x, axis=None, keepdims=False: x.mean(axis=axis, keepdims=keepdims),
        each(lambda g, y, x, axis=None, keepdims=False: _spread(g * (y.size / max(x.size, 1)), x, axis)),
        L,
        lift=lambda o, n, d: {**o, "axis": kernels.behind(o.get("axis"), n)},
    ),
    "log_softmax": Row(
        kernels.log_softmax,
        each(lambda g, y, x: g - do("exp", y) * g.sum(axis=-1, keepdims=True)),
        reads="output",
        tangent=lambda inputs, tangents, y, options: tangents[0] - (np.exp(y) * tangents[0]).sum(axis=-1, keepdims=True),
    ),
    "max": Row(kernels.largest, each(_max_back), reads="inputs", tangent=_max_tangent),
    # shapes
    "reshape": Row(
        lambda x, shape: x.reshape(shape),
        each(lambda g, y, x, shape: g.reshape(x.shape)),
        L,
        view=True,
        lift=lambda o, n, d: {"shape": (d, *o["shape"])},
    ),
    "transpose": Row(
        lambda x, axes=None: x.transpose(axes),
        each(_transpose_back),
        L,
        view=True,
        lift=lambda o, n, d: {"axes": (0, *(1 + a % n for a in o.get("axes") or range(n)[::-1]))},
    ),
    "swap": Row(
        lambda x, a, b: x.swapaxes(a, b),
        each(lambda g, y, x, a, b: g.swapaxes(a, b)),
        L,
        view=True,
        lift=lambda o, n, d: {"a": 1 + o["a"] % n, "b": 1 + o["b"] % n},
    ),
    "broadcast_to": Row(np.broadcast_to, each(lambda g, y, x, shape: sum_to(g, x.shape)), L, view=True),
    "index": Row(
        lambda x, index: x[index],
        each(lambda g, y, x, index: do("put", g, options={"index": index, "shape": x.shape})),
        L,
        view=True,
        lift=_index_lift,
    ),
    "put": Row(kernels.put, each(lambda g, y, x, index, shape: g[index]), L, lift=_index_lift),
    "write": Row(
        kernels.write,
        each(
            lambda g, y, x, v, index: do("write", g, np.zeros((), g.dtype), options={"index": index}),
            lambda g, y, x, v, index: sum_to(g[index], v.shape),
        ),
        L,
    ),
    "take": Row(
        lambda x, index, axis=0: x.take(index, axis=axis),
        each(lambda g, y, x, index, axis=0: do("scatter", g, options={"index": index, "axis": axis, "shape": x.shape})),
        L,
        lift=lambda o, n, d: {**o, "axis": kernels.behind(o.get("axis", 0), n)},
    ),
    "scatter": Row(kernels.scatter, each(lambda g, y, x, index, axis, shape: do("take", g, options={"index": index, "axis": axis})), L),
    "concatenate": Row(
        lambda *xs, axis: np.concatenate(xs, axis=axis), _join_back, L, lift=lambda o, n, d: {"axis": kernels.behind(o["axis"], n)}
    ),
    "stack": Row(
        lambda *xs, axis: np.stack(xs, axis=axis), _stack_back, L, lift=lambda o, n, d: {"axis": kernels.behind(o["axis"], n + 1)}
    ),
    "pad": Row(kernels.pad, each(lambda g, y, x, widths, value=0: g[kernels.inner(widths, x.shape)]), L, lift=_pad_lift),
    "windows": Row(
        kernels.windows,
        each(lambda g, y, x, kernel, stride, dilation: do("fold", g, options=_windowed(x.shape, kernel, stride, dilation))),
        L,
        view=True,
        lift=lambda o, n, d: o,
    ),
    "fold": Row(
        kernels.fold,
        each(lambda g, y, x, shape, kernel, stride, dilation: do("windows", g, options=_windowed(None, kernel, stride, dilation))),
        L,
    ),
    # products
    "matmul": Row(np.matmul, each(_matmul_left, _matmul_right), P, "others"),
    "dense": Row(kernels.dense, _dense_back, reads="others", tangent=_dense_tangent),
    "einsum": Row(kernels.einsum, _einsum_back, P, "others", view=True),
    # recurrence over all steps
    "gru": Row(gru_kernel.forward, gru_kernel.backward, reads="both", saves=True),
}
