"""Doing an operation of the table and writing it down: value, tangents, place in the graph, and versions of the memory.

Every write in place raises the version of the memory, which views share. A node remembers the versions of its inputs when
it read them, and a tensor the version at which its history was true ("born"); what differs later is an error, not a wrong
gradient. Nodes are Tensors; this module does not import the class, which stands above it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sonde.scratch import counters, dual
from sonde.scratch.row import OperationError, Options
from sonde.scratch.rules import ROWS

Array = np.ndarray[Any, np.dtype[Any]]
Node = Any  # a Tensor

_serial = itertools.count()
_recording = [True]


@contextmanager
def no_record() -> Iterator[None]:
    """Compute without recording: nothing is kept for a backward pass, and leaves may be written to."""
    before, _recording[0] = _recording[0], False
    try:
        yield
    finally:
        _recording[0] = before


def fill(node: Node, data: Array | None, op: str, inputs: tuple[Node, ...], options: Options, requires_grad: bool) -> None:
    """A new node: its value (None for a symbol), and what it came from."""
    node._bound, node._saved = data is not None, None
    if data is not None:
        node.data = data
    node._op, node._inputs, node._options, node.requires_grad = op, inputs, options, requires_grad
    node._versions = [x._version[0] for x in inputs] if requires_grad else []
    node._version, node._born, node._serial = [0], 0, next(_serial)
    node.grad, node.tangent, node.name = None, None, ""


def apply(out: Node, name: str, inputs: tuple[Node, ...], options: Options) -> Node:
    """One operation into `out`: its value, its tangents if an input has some, its place in the graph if a gradient is asked for."""
    row, arrays, asks, moves = ROWS[name], [], False, False
    for x in inputs:
        if not x._bound:  # waits for its symbols
            fill(out, None, name, inputs, options, False)
            return out
        arrays.append(x.data)
        asks, moves = asks or x.requires_grad, moves or x.tangent is not None
    try:
        result = row.forward(*arrays, **options)
    except (ValueError, IndexError, TypeError) as error:
        raise OperationError(f"{name} of shapes {' and '.join(str(x.shape) for x in arrays)}: {error}") from error
    value = np.asarray(result[0] if row.saves else result)  # numbers become 0-d arrays
    if asks and _recording[0] and value.dtype.kind == "f":
        for x in inputs:
            if x.requires_grad and x._born != x._version[0]:
                raise OperationError(
                    f"{name}: its input of shape {x.shape}, made by {x._op or 'hand'}, was changed in place behind its history; make it again"
                )
        fill(out, value, name, inputs, options, True)
        out._saved = result if row.saves else None
    else:
        fill(out, value, "", (), {}, False)
    if row.view and np.may_share_memory(value, arrays[0]):
        out._version, out._born = inputs[0]._version, inputs[0]._version[0]
    if counters.ACTIVE:
        counters.note(name, value)
    if moves:
        out.tangent = dual.push(name, tuple(arrays), tuple(x.tangent for x in inputs), value, options)
    return out


def overwrite(node: Node, before: Node, name: str, value: Node, options: Options) -> Node:
    """Write into the memory of a node; when recording, it becomes the result of that operation on `before`, what it was."""
    asks = _recording[0] and (node.requires_grad or value.requires_grad)
    if asks and node.requires_grad and not node._op:
        raise OperationError(f"{name} in place: a leaf of shape {node.shape} that asks for a gradient; write inside no_record()")
    if asks and node.data.base is not None and node._op and ROWS[node._op].view:
        raise OperationError(f"{name} in place: a view of shape {node.shape}; with gradients, write to the whole: x[index] = value")
    if asks and node.dtype.kind != "f":
        raise OperationError(f"{name} in place: a value with a gradient into {node.dtype} of shape {node.shape}, which can have none")
    fill(before, node.data, node._op, node._inputs, node._options, node.requires_grad)
    before._saved, before._versions, before._version, before._born = node._saved, node._versions, node._version, node._born
    before._serial, before.tangent = node._serial, node.tangent
    moves = node.tangent is not None or value.tangent is not None
    old = node.data.copy() if moves else node.data
    try:
        if name == "write":
            node.data[options["index"]] = value.data
        else:
            ROWS[name].forward(node.data, value.data, out=node.data)
    except (ValueError, IndexError, TypeError) as error:
        raise OperationError(f"{name} in place of shapes {node.shape} and {value.shape}: {error}") from error
    if moves:
        node.tangent = dual.push(name, (old, value.data), (node.tangent, value.tangent), node.data, options)
    if asks:
        node._op, node._inputs, node._options, node.requires_grad = name, (before, value), options, True
        node._versions, node._serial = [before._born, value._version[0]], next(_serial)
    node._version[0] += 1
    if asks or not node._op:
        node._born = node._version[0]
    return node
