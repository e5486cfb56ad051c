"""Every row of the table against PyTorch: value and gradient, in float64 and float32, from 0-d to 5-d, broadcast, empty, with ties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sonde.scratch.derivatives import jvp, numerical_jacobian
from sonde.scratch.row import OperationError
from sonde.scratch.rules import ROWS
from sonde.scratch.tensor import (
    Tensor,
    concatenate,
    einsum,
    gradients,
    maximum,
    pad,
    scatter_add,
    stack,
    take,
    where,
    windows,
)

Call = Callable[..., Any]
few = settings(max_examples=25, deadline=None)


def close(ours: np.ndarray, theirs: torch.Tensor | np.ndarray) -> None:
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if ours.size:
        scale = max(1.0, float(np.abs(theirs).max()))
        assert np.abs(ours - theirs).max() <= (1e-10 if ours.dtype == np.float64 else 1e-5) * scale


def agree(ours: Call, theirs: Call, arrays: list[np.ndarray], *, forward: bool = True) -> None:
    """Value and every gradient in both float types, and the forward derivative along two random directions in float64."""
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        cast = [a.astype(dtype) for a in arrays]
        x, t = [Tensor(a, requires_grad=True) for a in cast], [torch.tensor(a, requires_grad=True) for a in cast]
        y, u = ours(*x), theirs(*t)
        close(y.data, u)
        g = rng.normal(size=y.shape).astype(dtype)
        y.backward(g)
        u.backward(torch.tensor(g))
        for a, b in zip(x, t, strict=True):
            assert a.grad is not None
            close(a.grad, b.grad if b.grad is not None else torch.zeros_like(b))
    directions = [rng.normal(size=(2, *a.shape)) for a in arrays]
    _, tangents = jvp(ours, [a.astype(np.float64) for a in arrays], directions)
    doubles = [torch.tensor(a.astype(np.float64)) for a in arrays]
    for k in range(2 * forward):
        _, expected = torch.autograd.functional.jvp(theirs, tuple(doubles), tuple(torch.tensor(d[k]) for d in directions))
        close(np.asarray(tangents[k]), expected)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, width=32).map(lambda v: round(v, 2))  # coarse, so that ties are frequent


shapes = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=3)
pairs = hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=5, min_side=0, max_side=3)


def array(shape: Any, low: float = -3, high: float = 3) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, shape, elements=numbers(low, high))


UNARY: dict[str, tuple[Call, Call, float, float]] = {
    "negative": (lambda x: -x, lambda x: -x, -3, 3),
    "exp": (lambda x: x.exp(), torch.exp, -5, 5),
    "log": (lambda x: x.log(), torch.log, 0.125, 9),
    "sqrt": (lambda x: x.sqrt(), torch.sqrt, 0.125, 9),
    "sin": (lambda x: x.sin(), torch.sin, -9, 9),
    "cos": (lambda x: x.cos(), torch.cos, -9, 9),
    "tanh": (lambda x: x.tanh(), torch.tanh, -30, 30),
    "sigmoid": (lambda x: x.sigmoid(), torch.sigmoid, -90, 90),
    "erf": (lambda x: x.erf(), torch.erf, -6, 6),
    "relu": (lambda x: x.relu(), torch.relu, -1, 1),
    "abs": (lambda x: x.abs(), torch.abs, -1, 1),
}


@pytest.mark.parametrize("name", UNARY)
@few
@given(data=st.data())
def test_functions_of_each_element(name: str, data: st.DataObject) -> None:
    ours, theirs, low, high = UNARY[name]
    agree(ours, theirs, [data.draw(shapes.flatmap(lambda shape: array(shape, low, high)))])


BINARY: dict[str, tuple[Call, Call, float, float]] = {
    "add": (lambda a, b: a + b, torch.add, -3, 3),
    "subtract": (lambda a, b: a - b, torch.sub, -3, 3),
    "multiply": (lambda a, b: a * b, torch.mul, -3, 3),
    "divide": (lambda a, b: a / b, torch.div, 0.25, 3),
    "power": (lambda a, b: a**b, torch.pow, 0.25, 3),
    "maximum": (maximum, torch.maximum, 0, 0.125),
}


@pytest.mark.parametrize("name", BINARY)
@few
@given(data=st.data())
def test_arithmetic_with_broadcasting(name: str, data: st.DataObject) -> None:
    ours, theirs, low, high = BINARY[name]
    a, b = data.draw(pairs).input_shapes
    agree(ours, theirs, [data.draw(array(a, low, high)), data.draw(array(b, low, high))])


@few
@given(data=st.data())
def test_where(data: st.DataObject) -> None:
    found = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=5, min_side=0, max_side=3))
    a, b, m = found.input_shapes
    mask = data.draw(hnp.arrays(np.bool_, m))
    agree(lambda a, b: where(mask, a, b), lambda a, b: torch.where(torch.tensor(mask), a, b), [data.draw(array(a)), data.draw(array(b))])


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5])
def test_powers_by_a_number(exponent: float) -> None:
    x = np.array([0.5, 1.0, 2.0]) if exponent in (-1, 0.5) else np.array([-2.0, 0.0, 0.5])
    agree(lambda a: a**exponent, lambda a: a**exponent, [x])


def test_powers_of_zero() -> None:
    """Without forward derivatives: PyTorch, which goes back twice for them, has NaN here."""
    agree(lambda a, b: a**b, lambda a, b: a**b, [np.array([0.0, 0.0, 2.0]), np.array([0.0, 2.0, 0.0])], forward=False)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
@few
@given(data=st.data())
def test_reductions(name: str, keepdims: bool, data: st.DataObject) -> None:
    """max with ties="even" is amax; by default the first of equal values gets the gradient, as in torch.max along an axis."""
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=1 if name == "max" else 0, max_side=3))
    axes = data.draw(st.one_of(st.none(), hnp.valid_tuple_axes(len(shape), min_size=1))) if shape else None
    x = data.draw(array(shape, 0, 0.125))
    everything = tuple(range(len(shape)))
    if name == "max":
        agree(lambda x: x.max(axes, keepdims, ties="even"), lambda x: torch.amax(x, axes or everything, keepdim=keepdims), [x])
    elif name == "sum":
        agree(lambda x: x.sum(axes, keepdims), lambda x: torch.sum(x, axes or everything, keepdim=keepdims), [x])
    elif x.size:
        agree(lambda x: x.mean(axes, keepdims), lambda x: torch.mean(x, axes or everything, keepdim=keepdims), [x])


@few
@given(data=st.data())
def test_the_first_of_equal_maxima(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=5, max_side=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    agree(lambda x: x.max(axis), lambda x: torch.max(x, axis).values, [data.draw(array(shape, 0, 0.0625))])


def test_the_first_of_equal_maxima_over_two_axes() -> None:
    x = Tensor(np.array([[[0.0, 1.0], [1.0, 1.0]], [[2.0, 2.0], [0.0, 2.0]]]), requires_grad=True)
    x.max((1, 2)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[[0, 1], [0, 0]], [[1, 0], [0, 0]]]


@few
@given(data=st.data())
def test_matmul(data: st.DataObject) -> None:
    found = data.draw(hnp.mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=3, min_side=0, max_side=3))
    a, b = (data.draw(array(shape)) for shape in found.input_shapes)
    agree(lambda a, b: a @ b, lambda a, b: a @ b, [a, b])


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        ("ij->ji", [(2, 3)]),
        ("ij->i", [(2, 3)]),
        ("ij,j->", [(2, 3), (3,)]),
        ("i,j->ij", [(2,), (3,)]),
        ("ni,io,no->n", [(4, 2), (2, 3), (4, 3)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (5, 3, 4)]),
    ],
)
def test_einsum(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    arrays = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(shapes)]
    agree(lambda *x: einsum(subscripts, *x), lambda *x: torch.einsum(subscripts, *x), arrays)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3), (2, 0, 3), (4, 0)])
def test_dense(shape: tuple[int, ...], bias: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in (shape, (5, shape[-1]), (5,))[: 2 + bias]]
    agree(lambda *x: Tensor.apply("dense", x, {}), torch.nn.functional.linear, arrays)


@few
@given(data=st.data())
def test_log_softmax(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)) + (data.draw(st.integers(1, 4)),)
    x = data.draw(array(shape, -100, 100))
    agree(lambda x: Tensor.apply("log_softmax", (x,), {}), lambda x: torch.log_softmax(x, -1), [x])


@few
@given(data=st.data())
def test_shapes(data: st.DataObject) -> None:
    x = data.draw(shapes.flatmap(array))
    order = tuple(data.draw(st.permutations(range(x.ndim))))
    agree(lambda x: x.transpose(*order), lambda x: x.permute(order), [x])
    agree(lambda x: x.reshape(-1) if x.size else x.reshape(0), lambda x: x.reshape(x.numel()), [x])
    if x.ndim:
        a, b = data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.integers(-x.ndim, x.ndim - 1))
        agree(lambda x: x.swap(a, b), lambda x: x.swapaxes(a, b), [x])
    wider = (2, *x.shape)
    agree(lambda x: x.broadcast_to(wider), lambda x: x.broadcast_to(wider), [x])
    widths = [(k % 2, 1) for k in range(x.ndim)]
    flat = [n for pair in reversed(widths) for n in pair]
    agree(lambda x: pad(x, widths, 7), lambda x: torch.nn.functional.pad(x, flat, value=7) if flat else x + 0, [x])


@few
@given(data=st.data())
def test_basic_indices(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=5, max_side=3))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True).filter(_forward))
    agree(lambda x: x[index] * 1, lambda x: x[index] * 1, [data.draw(array(shape))])


def _forward(index: Any) -> bool:
    """PyTorch has no negative steps."""
    return all(not isinstance(part, slice) or (part.step or 1) > 0 for part in (index if isinstance(index, tuple) else (index,)))


def test_negative_steps() -> None:
    agree(lambda x: x[::-1, ::-2], lambda x: x.flip(0, 1)[:, ::2], [np.arange(12.0).reshape(3, 4)])


@pytest.mark.parametrize(
    "index",
    [
        np.array([0, 2, 2]),
        (np.array([0, 1]), np.array([2, 2])),
        (slice(None), np.array([[0, 1], [1, 1]])),
        (np.array([0, 0]), slice(None), np.array([1, 1])),
        np.arange(24).reshape(3, 4, 2) % 3 == 0,
        (Ellipsis, np.array([True, False])),
        (slice(1, None), np.array([3, 0]), None),
    ],
)
def test_index_arrays(index: Any) -> None:
    theirs = tuple(torch.tensor(i) if isinstance(i, np.ndarray) else i for i in (index if isinstance(index, tuple) else (index,)))
    agree(lambda x: x[index], lambda x: x[theirs], [np.arange(24.0).reshape(3, 4, 2)])


@few
@given(data=st.data())
def test_take_and_scatter(data: st.DataObject) -> None:
    index = data.draw(hnp.arrays(np.int64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), elements=st.integers(0, 3)))
    table = data.draw(array((4, 2)))
    agree(lambda x: take(x, index), lambda x: x[torch.tensor(index)], [table])
    agree(lambda x: take(x, index, axis=1), lambda x: x[:, torch.tensor(index)], [table.T.copy()])
    agree(
        lambda g: scatter_add(g, index, (4, 2)),
        lambda g: torch.zeros(4, 2, dtype=g.dtype).index_add(0, torch.tensor(index.reshape(-1)), g.reshape(index.size, 2)),
        [data.draw(array((*index.shape, 2)))],
    )


@few
@given(data=st.data())
def test_joining(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    a, b, c = (data.draw(array(shape)) for _ in range(3))
    agree(lambda *x: concatenate(x, axis), lambda *x: torch.cat(x, axis), [a, b, c])
    agree(lambda *x: stack(x, axis), lambda *x: torch.stack(x, axis), [a, b, c])


@few
@given(n=st.integers(4, 9), k=st.integers(1, 3), s=st.integers(1, 3), d=st.integers(1, 2), axes=st.integers(1, 3))
def test_windows(n: int, k: int, s: int, d: int, axes: int) -> None:
    if d * (k - 1) + 1 > n:
        return
    x = np.random.default_rng(0).normal(size=(2,) + (n,) * axes)

    def theirs(x: torch.Tensor) -> torch.Tensor:
        for axis in range(axes):
            x = x.unfold(1 + axis, d * (k - 1) + 1, s)[..., ::d]
        return x * 1

    agree(lambda x: windows(x, (k,) * axes, (s,) * axes, (d,) * axes), theirs, [x])


def test_infinite_gradients_stay_on_their_side() -> None:
    a, b = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    where(np.array([True, False]), a, b).backward(np.array([np.inf, 1.0]))
    assert a.grad is not None and b.grad is not None
    assert a.grad.tolist() == [np.inf, 0] and b.grad.tolist() == [0, 1]


def test_writing_is_an_operation() -> None:
    def ours(x: Tensor, v: Tensor) -> Tensor:
        y = x * 1
        y[1:, ::2] = v
        y += v
        return y * y

    def theirs(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y[1:, ::2] = v
        y += v
        return y * y

    agree(ours, theirs, [np.arange(12.0).reshape(3, 4), np.array(3.0)])


def test_float_types_meet() -> None:
    a, b = Tensor(np.ones(3, np.float32), requires_grad=True), Tensor(np.full(3, 2.0), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad is not None and b.grad is not None
    assert a.grad.dtype == np.float32 and b.grad.dtype == np.float64
    assert a.astype(np.float64).dtype == np.float64
    assert (2 * a + 1).dtype == np.float32


SMOOTH: dict[str, tuple[Call, list[tuple[int, ...]]]] = {
    "products": (lambda a, b: ((a @ b) ** 3 / (2 + (a @ b) ** 2)).sum(), [(2, 3), (3, 2)]),
    "einsum": (lambda a, b: (einsum("ij,jk->ki", a, b) ** 3).sum(), [(2, 3), (3, 2)]),
    "elementwise": (lambda a: (a.tanh() * a.sigmoid() * a.exp() + (a * a + 1).log() * (a * a + 1).sqrt()).sum(), [(4,)]),
    "dense": (lambda x, w, b: (Tensor.apply("dense", (x, w, b), {}).tanh() ** 2).sum(), [(2, 2, 3), (2, 3), (2,)]),
    "log-softmax": (lambda x: (Tensor.apply("log_softmax", (x,), {}) ** 3).sum(), [(2, 3)]),
    "waves": (lambda a: (a.sin() * a.cos()).mean(), [(4,)]),
    "indices": (lambda a: (a[np.array([0, 0, 2])] ** 3).sum() + (take(a, np.array([1, 1])) ** 3).sum() + (a[1:] ** 3).sum(), [(3,)]),
    "joins": (lambda a, b: (concatenate([a, b], 0) ** 3).sum() + (stack([a, b], 1) ** 3).mean(), [(3,), (3,)]),
    "windows": (lambda a: (windows(pad(a, [(1, 1)]), (2,), (2,), (1,)) ** 3).sum(), [(5,)]),
    "reductions": (lambda a: ((a - a.max(1, keepdims=True)).exp().sum(1).log() ** 2).sum(), [(3, 4)]),
    "masks": (lambda a: (where(np.array([True, False, True]), a, -a) ** 3).sum() + maximum(a * a, a).sum(), [(3,)]),
    "shapes": (lambda a: (a.T.reshape(-1)[::2].broadcast_to((2, 3)) ** 3).sum() + (a.swap(0, 1) ** 4).sum(), [(2, 3)]),
    "scatter": (lambda a: (scatter_add(a, np.array([1, 1, 0]), (2,)) ** 3).sum() + a.abs().sum() + (a.relu() ** 2).sum(), [(3,)]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_backward_rules_can_be_differentiated_again(name: str) -> None:
    f, shapes = SMOOTH[name]
    rng = np.random.default_rng(3)
    arrays = [rng.uniform(0.3, 1.5, size=shape) for shape in shapes]
    weights = [rng.normal(size=shape) for shape in shapes]

    def slope(*x: Tensor) -> Tensor:
        found = gradients(f(*x), x, again=True)
        total = (found[0] * weights[0]).sum()
        for g, w in zip(found[1:], weights[1:], strict=True):
            total = total + (g * w).sum()
        return total

    x = [Tensor(a, requires_grad=True) for a in arrays]
    for found, expected in zip(gradients(slope(*x), x), numerical_jacobian(slope, arrays), strict=True):
        assert np.allclose(found.data, expected, rtol=1e-6, atol=1e-6)


def test_every_row_says_what_its_kind_needs() -> None:
    for name, row in ROWS.items():
        assert row.kind in ("elementwise", "linear", "product", "other"), name
        assert row.reads in ("inputs", "others", "output", "both", "nothing"), name


@pytest.mark.parametrize("subscripts", ["ij,jk", "ii->i"])
def test_einsum_says_what_it_cannot_differentiate(subscripts: str) -> None:
    x = [Tensor(np.ones((2, 2)), requires_grad=True) for _ in subscripts.split("->")[0].split(",")]
    with pytest.raises(OperationError, match=f"einsum '{subscripts}'"):
        einsum(subscripts, *x).sum().backward()
