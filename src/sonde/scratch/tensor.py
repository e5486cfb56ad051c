"""A NumPy array that records what is done to it, so that `backward` can go the same way back.

    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    loss = ((3 * x) ** 2).sum()
    loss.backward()
    x.grad                          # 18 x = [18, 36]

The recorded graph is the tensors themselves: each result knows the name of its operation and its inputs (define-by-run,
Tokui et al., "Chainer", 2015). Every operation is a row of the table in rules.py. A tensor may also carry tangents
(dual.py), or wait for its value (graph.py): all three ways use the same `apply`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sonde.scratch import record, reverse
from sonde.scratch.row import OperationError, Options

Array = np.ndarray[Any, np.dtype[Any]]
Operand = Any  # a Tensor, a NumPy array, a number, or a list of numbers
Axes = int | tuple[int, ...] | None
no_record = record.no_record


def _binary(name: str) -> tuple[Callable[[Tensor, Operand], Tensor], Callable[[Tensor, Operand], Tensor]]:
    """An operator and its reflection: x + a, a + x."""

    def forward(self: Tensor, other: Operand) -> Tensor:
        return _apply(name, (self, other if isinstance(other, Tensor) else as_tensor(other, like=self)), {})

    def reflected(self: Tensor, other: Operand) -> Tensor:
        return _apply(name, (as_tensor(other, like=self), self), {})

    return forward, reflected


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Tensor, Operand], Array]:
    def method(self: Tensor, other: Operand) -> Array:
        return np.asarray(compare(self.data, _values(other)))

    return method


def _in_place(name: str) -> Callable[[Tensor, Operand], Tensor]:
    def method(self: Tensor, other: Operand) -> Tensor:
        return record.overwrite(self, Tensor.__new__(Tensor), name, as_tensor(other, like=self), {})

    return method


def _unary(name: str) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return _apply(name, (self,), {})

    method.__doc__ = f"{name} of each element."
    return method


class Tensor:
    """An array, what it was computed from, and its gradient.

    data: the values; float32 and float64 arrays are taken as they are, without a copy, integer and bool arrays serve as indices and
    masks; Python numbers and lists of them become float64. requires_grad: collect the gradient here. tangent: derivatives for
    forward accumulation, (directions, *shape). name: for drawings and messages.
    """

    __array_ufunc__ = None  # array + tensor asks the tensor
    __slots__ = ("_born", "_bound", "_inputs", "_op", "_options", "_saved", "_serial", "_version", "_versions",
                 "data", "grad", "name", "requires_grad", "tangent")  # fmt: skip

    data: Array
    grad: Array | None
    requires_grad: bool
    tangent: Array | None
    name: str
    _op: str
    _inputs: tuple[Tensor, ...]
    _version: list[int]
    _born: int
    _bound: bool

    def __init__(self, data: Operand, requires_grad: bool = False, *, tangent: Array | None = None, name: str = "") -> None:
        source = data if isinstance(data, Tensor) else None
        if source is not None:
            data = source.data
        elif not isinstance(data, (np.ndarray, np.generic)):
            data = np.asarray(data)
            data = data.astype(np.float64) if data.dtype.kind in "iu" else data
        record.fill(self, np.asarray(data), "", (), {}, requires_grad)
        self.tangent, self.name = tangent, name
        if source is not None:  # one memory, one count of its versions
            self._version, self._born = source._version, source._version[0]
        if self.data.dtype.kind not in "fiub":
            raise OperationError(f"Tensor: {self.data.dtype} values of shape {self.shape} are not numbers")
        if requires_grad and self.data.dtype.kind != "f":
            raise OperationError(f"Tensor: gradients need floats; an array of {self.data.dtype}, shape {self.shape}, has none")
        if tangent is not None and tangent.shape[1:] != self.shape:
            raise OperationError(
                f"Tensor: tangents of shape {tangent.shape} for values of shape {self.shape}; they are (directions, *shape)"
            )

    def __getattr__(self, name: str) -> Any:
        if name == "data":
            raise OperationError(f"{self.name or self._op}: a symbol has no value until it is bound and the graph is run")
        raise AttributeError(f"Tensor has no attribute {name!r}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.data.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        origin = f", from {self._op}" if self._op else ""
        return f"Tensor({self.data!r}{origin})" if self._bound else f"Tensor(symbol {self.name!r}{origin})"

    def item(self) -> Any:
        """The only element as a Python number."""
        return self.data.item()

    def detach(self) -> Tensor:
        """The same values without their history; they share memory."""
        return Tensor(self)

    @staticmethod
    def apply(name: str, operands: tuple[Operand, ...], options: Options) -> Tensor:
        """Do one operation of the table and record it."""
        return _apply(name, tuple(x if isinstance(x, Tensor) else as_tensor(x) for x in operands), options)

    def backward(self, gradient: Operand = None) -> None:
        """Add ∂self/∂leaf to `.grad` of every leaf that asked for it; `gradient` is ∂L/∂self, 1 for a scalar.

        Raises OperationError for a result of more than one element without `gradient`, for one that nothing was recorded for,
        and where a value that a backward rule reads was changed in place meanwhile.
        """
        reverse.backward(self, None if gradient is None else as_tensor(gradient, like=self))

    def __setitem__(self, index: Any, value: Operand) -> None:
        record.overwrite(self, Tensor.__new__(Tensor), "write", as_tensor(value, like=self), {"index": _plain(index)})

    __iadd__, __isub__, __imul__, __itruediv__ = (_in_place(name) for name in ("add", "subtract", "multiply", "divide"))

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _binary("multiply")
    __truediv__, __rtruediv__ = _binary("divide")
    __pow__, __rpow__ = _binary("power")
    __matmul__, __rmatmul__ = _binary("matmul")
    __neg__ = _unary("negative")
    exp, log, sqrt, sin, cos, tanh, sigmoid, erf, relu, abs = map(_unary, ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "erf", "relu", "abs"))

    __lt__, __le__, __gt__, __ge__ = map(_comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    __eq__, __ne__ = map(_comparison, (operator.eq, operator.ne))  # type: ignore[assignment]
    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return _apply("index", (self,), {"index": _plain(index)})

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Σ over the axes, all of them for None."""
        return _apply("sum", (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The mean over the axes, all of them for None."""
        return _apply("mean", (self,), {"axis": axis, "keepdims": keepdims})

    def max(self, axis: Axes = None, keepdims: bool = False, ties: str = "first") -> Tensor:
        """The largest over the axes; of equal ones the "first" gets the gradient, or all share it evenly ("even")."""
        return _apply("max", (self,), {"axis": axis, "keepdims": keepdims, "ties": ties})

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape: reshape(2, 3), reshape((2, 3)), one length may be −1."""
        return _apply("reshape", (self,), {"shape": _spread(shape)})

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, reversed when none is given."""
        return _apply("transpose", (self,), {"axes": _spread(axes) or None})

    @property
    def T(self) -> Tensor:
        """All axes reversed."""
        return _apply("transpose", (self,), {"axes": None})

    def swap(self, a: int, b: int) -> Tensor:
        """Two axes exchanged."""
        return _apply("swap", (self,), {"a": a, "b": b})

    swapaxes = swap  # NumPy's name, which backward rules use on both

    def broadcast_to(self, shape: tuple[int, ...]) -> Tensor:
        """Repeated along axes of length 1 and new ones in front, as a view."""
        return _apply("broadcast_to", (self,), {"shape": tuple(shape)})

    def astype(self, dtype: Any) -> Tensor:
        """Another float type."""
        return self if self.dtype == dtype else _apply("cast", (self,), {"dtype": np.dtype(dtype)})


def _apply(name: str, inputs: tuple[Tensor, ...], options: Options) -> Tensor:
    return record.apply(Tensor.__new__(Tensor), name, inputs, options)


def as_tensor(x: Operand, like: Tensor | None = None) -> Tensor:
    """Give x itself if it is a Tensor, else a constant; Python numbers take the float type of `like`."""
    if isinstance(x, Tensor):
        return x
    if like is not None and like._bound and isinstance(x, (bool, int, float)) and (like.dtype.kind == "f" or isinstance(x, int)):
        return Tensor(np.asarray(x, like.dtype))
    return Tensor(x)


def concatenate(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Joined along an axis that they have."""
    return _apply("concatenate", tuple(map(as_tensor, tensors)), {"axis": axis})


def stack(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Joined along a new axis."""
    return _apply("stack", tuple(map(as_tensor, tensors)), {"axis": axis})


def where(mask: Operand, a: Operand, b: Operand) -> Tensor:
    """Choose a where the mask is true, else b, with broadcasting."""
    like = next((x for x in (a, b) if isinstance(x, Tensor)), None)
    return _apply("where", (as_tensor(mask), as_tensor(a, like), as_tensor(b, like)), {})


def maximum(a: Operand, b: Operand) -> Tensor:
    """The larger of two, with broadcasting; each gets half of the gradient where they are equal."""
    like = next((x for x in (a, b) if isinstance(x, Tensor)), None)
    return _apply("maximum", (as_tensor(a, like), as_tensor(b, like)), {})


def pad(x: Operand, widths: Sequence[tuple[int, int]], value: int | float = 0) -> Tensor:
    """(before, after) places of a constant added along each axis."""
    return _apply("pad", (as_tensor(x),), {"widths": tuple(map(tuple, widths)), "value": value})


def einsum(subscripts: str, *operands: Operand) -> Tensor:
    """Sums of products by the letters of the axes: "bij,bjk->bik"."""
    return _apply("einsum", tuple(map(as_tensor, operands)), {"subscripts": subscripts})


def windows(x: Operand, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    """Sliding windows over the last len(kernel) axes: (…, *space) → (…, *out, *kernel), a view."""
    return _apply("windows", (as_tensor(x),), {"kernel": tuple(kernel), "stride": tuple(stride), "dilation": tuple(dilation)})


def take(x: Operand, index: Operand, axis: int = 0) -> Tensor:
    """Rows of x by number, for embeddings: x (n, …), index of any shape (…) → (…, …)."""
    return _apply("take", (as_tensor(x),), {"index": _values(index), "axis": axis})


def scatter_add(g: Operand, index: Operand, shape: tuple[int, ...], axis: int = 0) -> Tensor:
    """The reverse of take: zeros of `shape` with the rows of g added at the numbers in index."""
    return _apply("scatter", (as_tensor(g),), {"index": _values(index), "axis": axis, "shape": tuple(shape)})


def gradients(output: Tensor, inputs: Sequence[Tensor], gradient: Operand = None, again: bool = False) -> list[Tensor]:
    """∂output/∂input for tensors anywhere in the graph, `.grad` untouched; with `again` they can be differentiated again."""
    return reverse.gradients(output, inputs, None if gradient is None else as_tensor(gradient, like=output), again)


def _values(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _spread(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """f((2, 3)) and f(2, 3) mean the same."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


def _plain(index: Any) -> Any:
    """An index in which tensors are arrays."""
    return tuple(map(_values, index)) if isinstance(index, tuple) else _values(index)
