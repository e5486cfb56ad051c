"""What one tensor operation asks for: multiply-adds, other operations, bytes.

A multiply-add is one multiplication and the addition of its result, counted as **one**; "FLOPs" usually count two. Counted are convolutions
(any groups, dilation, transposed), matrix products, bilinear forms, attention, recurrent layers and tables of Euclidean distances, in which each
coordinate of each pair is squared and added; padding with zeros counts as what it multiplies. All else (norms, activations, sums, pooling,
distances of another norm …) is counted apart, one operation for each number that goes in or comes out, whichever are more. What only looks at
numbers in another way (views), or picks rows out of a table (embeddings), computes nothing. Factorizations, Fourier transforms and what other
packages bring multiply too, as often as values or libraries decide: `uncounted` names those that were met.

Operations are those that PyTorch dispatches below autograd (its ATen names), so that functional code counts as modules do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

Shape = tuple[int, ...]
Work = Callable[[Sequence[Any], Any], int]

# What an operation is like where time is estimated: each kind is measured by itself (step_time.py).
Kind = Literal["convolution", "matrix", "attention", "recurrent", "elementwise", "view"]


@dataclass(frozen=True)
class Operation:
    """One dispatched operation.

    `name` is ATen's, without its namespace; that of another package's has it. `layer` is the dotted path of the module in which it stands, `phase`
    the pass; `read` and `written` are bytes, each tensor counted once; `shapes` those of the tensors that go in. `geometry` is, of a convolution,
    (stride, groups, places in a picture where the kernel is put, and 1 or 0 for whether gradients by the input and by the weights are asked for);
    of a pooling, (outputs, places in a window, stride).
    """

    layer: str
    name: str
    phase: Literal["forward", "backward"]
    kind: Kind
    multiply_adds: int
    other: int
    read: int
    written: int
    shapes: tuple[Shape, ...] = ()
    geometry: tuple[int, ...] = ()

    @property
    def moved(self) -> int:
        """Bytes read and written when nothing stays in a cache in between."""
        return self.read + self.written


def _product(a: Tensor, b: Tensor) -> int:
    """(…, n, k) × (…, k, m): n·k·m each."""
    return a.numel() * (b.shape[-1] if b.ndim > 1 else 1)


def _trilinear(args: Sequence[Any], out: Any) -> int:
    """Three tensors multiplied and summed as PyTorch does it: the first two, then their product by the third.

    `args[3:6]` name the axes that each of them lacks, `args[6]` the axes that are summed, `args[7]` one that is gone over in a loop. What of the
    summed axes the third tensor lacks is summed before it is met.
    """
    x, y, z = (_spread(tensor.shape, axes) for tensor, axes in zip(args[:3], args[3:6], strict=True))
    loop = args[7] if len(args) > 7 else 1
    early = set(args[5]) & set(args[6]) - {loop}
    first = tuple(map(max, x, y))
    left = tuple(1 if axis in early else size for axis, size in enumerate(first))
    return math.prod(first) + math.prod(map(max, left, z))


def _spread(shape: Sequence[int], lacking: Sequence[int]) -> list[int]:
    """`shape` with a 1 at each axis that it lacks."""
    sizes = list(shape)
    for axis in sorted(lacking):
        sizes.insert(axis, 1)
    return sizes


def _distances(points: int, norm: int) -> Work:
    """Each coordinate of each pair once where the norm is Euclid's; others multiply nothing.

    `points` and `norm` are places among the arguments; before the points of a backward pass stands the gradient by the distances.
    """

    def count(args: Sequence[Any], out: Any) -> int:
        euclidean = len(args) <= norm or args[norm] == 2
        return (args[0] if points else out).numel() * args[points].shape[-1] if euclidean else 0

    return count


def _convolution(args: Sequence[Any], out: Any) -> int:
    """Each output is a sum over kernel positions and the input channels of its group; of a transposed one each input is spread so."""
    x, w, transposed = args[0], args[1], args[6]
    return (x if transposed else out).numel() * math.prod(w.shape[1:])


def _convolution_backward(args: Sequence[Any], out: Any) -> int:
    """The gradient by the input and that by the weights each take as many as the forward pass."""
    gradient, x, w, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
    return (x if transposed else gradient).numel() * math.prod(w.shape[1:]) * (int(wanted[0]) + int(wanted[1]))


def _attention(args: Sequence[Any], out: Any) -> int:
    """Queries (…, q, e) by keys (…, k, e), and the weights by values (…, k, v)."""
    q, k, v = args[:3]
    return q.numel() * k.shape[-2] + math.prod(q.shape[:-1]) * k.shape[-2] * v.shape[-1]


def _attention_backward(args: Sequence[Any], out: Any) -> int:
    """Backward computes the weights once more: QKᵀ, then the gradients by V, the weights, Q and K."""
    q, k, v = args[1:4]
    first, second = q.numel() * k.shape[-2], math.prod(q.shape[:-1]) * k.shape[-2] * v.shape[-1]
    return 3 * first + 2 * second


def _recurrent(weights: slice, times: int) -> Work:
    """Every position of every sequence meets each weight once."""

    def count(args: Sequence[Any], out: Any) -> int:
        x = args[0]
        given = [w for part in args[weights] for w in (part if isinstance(part, (list, tuple)) else [part])]
        return times * math.prod(x.shape[:-1]) * sum(w.numel() for w in given if isinstance(w, Tensor) and w.ndim == 2)

    return count


WORK: dict[str, tuple[Kind, Work]] = {
    "convolution": ("convolution", _convolution),
    "convolution_backward": ("convolution", _convolution_backward),
    "mm": ("matrix", lambda args, out: _product(args[0], args[1])),
    "bmm": ("matrix", lambda args, out: _product(args[0], args[1])),
    "mv": ("matrix", lambda args, out: _product(args[0], args[1])),
    "dot": ("matrix", lambda args, out: args[0].numel()),
    "vdot": ("matrix", lambda args, out: args[0].numel()),
    "addmm": ("matrix", lambda args, out: _product(args[1], args[2])),
    "addmv": ("matrix", lambda args, out: _product(args[1], args[2])),
    "baddbmm": ("matrix", lambda args, out: _product(args[1], args[2])),
    "addbmm": ("matrix", lambda args, out: _product(args[1], args[2])),
    "addr": ("matrix", lambda args, out: out.numel()),
    "_addmm_activation": ("matrix", lambda args, out: _product(args[1], args[2])),
    "_int_mm": ("matrix", lambda args, out: _product(args[0], args[1])),
    "_trilinear": ("matrix", _trilinear),
    "_euclidean_dist": ("matrix", _distances(0, 2)),
    "_cdist_forward": ("matrix", _distances(0, 2)),
    "_cdist_backward": ("matrix", _distances(1, 3)),
    "_pdist_forward": ("matrix", _distances(0, 1)),
    "_pdist_backward": ("matrix", _distances(1, 2)),
    "_scaled_dot_product_flash_attention_for_cpu": ("attention", _attention),
    "_scaled_dot_product_flash_attention": ("attention", _attention),
    "_scaled_dot_product_efficient_attention": ("attention", _attention),
    "_scaled_dot_product_cudnn_attention": ("attention", _attention),
    "_scaled_dot_product_flash_attention_for_cpu_backward": ("attention", _attention_backward),
    "_scaled_dot_product_flash_attention_backward": ("attention", _attention_backward),
    "_scaled_dot_product_efficient_attention_backward": ("attention", _attention_backward),
    "_scaled_dot_product_cudnn_attention_backward": ("attention", _attention_backward),
    "mkldnn_rnn_layer": ("recurrent", _recurrent(slice(1, 3), 1)),
    "mkldnn_rnn_layer_backward": ("recurrent", _recurrent(slice(1, 3), 2)),
    "_cudnn_rnn": ("recurrent", _recurrent(slice(1, 2), 1)),
    "_cudnn_rnn_backward": ("recurrent", _recurrent(slice(1, 2), 2)),
}

# Room that is only asked for, and rows that are only picked: no arithmetic.
_ROOM = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted"}
_PICKS = {"embedding", "embedding_dense_backward", "index_select", "index", "gather", "copy_", "_to_copy", "clone", "cat", "stack"}
# Words in the names of operations that are made of products: what is not in WORK of them is named instead of counted.
_PRODUCTS = {"mm", "bmm", "addmm", "matmul", "linear", "conv", "conv2d", "conv3d", "convolution", "attention", "transformer", "rnn", "lstm"}
_PRODUCTS |= {"linalg", "fft", "cholesky", "solve", "geqrf", "ormqr", "orgqr"}
# Such words without a product: what belongs to a cell besides its matrix products, and layouts.
_PLAIN = {"linalg_vector_norm", "linalg_cross", "linalg_diagonal", "_linalg_check_errors", "_cudnn_rnn_flatten_weight"}
_PLAIN |= {"_thnn_fused_lstm_cell", "_thnn_fused_lstm_cell_backward", "_thnn_fused_lstm_cell_backward_impl"}
# PyTorch's own operations; others come with packages, or with the module itself.
_KNOWN = {"aten", "prims", "prim", "profiler"}
# Questions that a subclass of Tensor asks of itself; no operations.
_ASKS = {"device", "size", "stride", "sym_size", "sym_stride", "sym_numel", "storage_offset", "is_contiguous", "_local_scalar_dense"}


def describe(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any, *, layer: str, phase: Literal["forward", "backward"]
) -> Operation | None:
    """The operation that was dispatched as `func`, or None for one that is none."""
    space, _, name = func._schema.name.partition("::")
    if name in _ASKS or space == "prim":
        return None
    name = name if space in _KNOWN else func._schema.name
    inputs, outputs = list(tensors([args, kwargs])), list(tensors(out))
    shapes = tuple(tuple(x.shape) for x in inputs)
    if name in _ROOM or is_view(func):
        return Operation(layer, name, phase, "view", 0, 0, 0, 0, shapes)
    read, written = _bytes(inputs), _bytes(outputs)
    kind, work = WORK.get(name.removesuffix("_"), ("elementwise", _nothing))  # in place the same is computed
    if done := work(args, out):
        return Operation(layer, name, phase, kind, done, 0, read, written, shapes, _geometry(name, args, out))
    many = 0 if name in _PICKS else max([x.numel() for x in inputs + outputs], default=0)
    return Operation(layer, name, phase, "elementwise", 0, many, read, written, shapes, _pooled(name, args, out))


def _nothing(args: Sequence[Any], out: Any) -> int:
    return 0


def uncounted(operations: Iterable[Operation]) -> tuple[list[str], list[str]]:
    """Names of operations that multiply and are not counted, and of those of other packages, of which it is not known; each once, as they came."""
    names = list(dict.fromkeys(operation.name for operation in operations if operation.kind != "view"))
    multiply = [name for name in names if _PRODUCTS & set(name.split("_")) and name not in _PLAIN and name.removesuffix("_") not in WORK]
    return [name for name in multiply if "::" not in name], [name for name in names if "::" in name]


def is_view(func: Any) -> bool:
    """Whether the result is its input seen in another way, without a byte moved."""
    return bool(func.is_view) or func._schema.name in ("aten::detach", "aten::alias", "aten::lift_fresh")


def tensors(found: Any) -> Any:
    """All tensors in nested lists, tuples and tables."""
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, Mapping):
        for each in found.values():
            yield from tensors(each)
    elif isinstance(found, (list, tuple)):
        for each in found:
            yield from tensors(each)


def _geometry(name: str, args: Sequence[Any], out: Any) -> tuple[int, ...]:
    if name == "convolution":
        return int(args[3][0]), int(args[8]), math.prod((args[0] if args[6] else out).shape[2:]), 0, 0
    if name == "convolution_backward":
        gradient, x, transposed, wanted = args[0], args[1], args[7], args[10]
        return int(args[4][0]), int(args[9]), math.prod((x if transposed else gradient).shape[2:]), int(wanted[0]), int(wanted[1])
    return ()


def _pooled(name: str, args: Sequence[Any], out: Any) -> tuple[int, ...]:
    """(Outputs, places in a window, stride) of a pooling."""
    if name == "max_pool2d_with_indices":
        return out[0].numel(), math.prod(args[1]), int(args[2][0] if len(args) > 2 and args[2] else args[1][0])
    if name == "max_pool2d_with_indices_backward":
        return args[0].numel(), math.prod(args[2]), int(args[3][0] if args[3] else args[2][0])
    return ()


def _bytes(found: Sequence[Tensor]) -> int:
    """Bytes of the numbers that these tensors show; the same one twice counts once, and so do numbers that a view repeats."""
    seen = {(x.untyped_storage()._cdata, x.storage_offset(), tuple(x.shape)): x for x in found}
    return sum(min(x.numel() * x.element_size(), x.untyped_storage().nbytes()) for x in seen.values())
