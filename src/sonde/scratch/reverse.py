"""Reverse accumulation: from ∂L/∂L = 1 back to ∂L/∂x, one pass for all inputs, over the graph that was recorded.

Nodes are visited in the reverse order of their making, so that each gradient is complete before it is handed on; branches
that lead to nothing wanted are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from sonde.scratch import counters
from sonde.scratch.row import Array, OperationError
from sonde.scratch.rules import ROWS, do, sum_to

Node = Any  # a Tensor


def history(output: Node, only_recorded: bool = True) -> list[Node]:
    """Everything that output was computed from and itself, inputs before results; a loop, so that depth has no limit."""
    found, waiting = {output._serial: output}, [output]
    while waiting:
        for x in inputs_of(waiting.pop()):
            if x._serial not in found and (x.requires_grad or not only_recorded):
                found[x._serial] = x
                waiting.append(x)
    return [found[serial] for serial in sorted(found)]


def inputs_of(node: Node) -> list[Node]:
    """What a node was computed from, as it was then: an input written to since stands for its newer self; `before` is its first input."""
    inputs = list(node._inputs)
    for i, x in enumerate(inputs):
        while x._serial > node._serial:
            x = inputs[i] = x._inputs[0]
    return inputs


def backward(output: Node, gradient: Node | None) -> None:
    """Add ∂output/∂leaf to the `.grad` of every leaf that asked."""
    seed, nodes = _seed(output, gradient), history(output)
    found = _sweep(nodes, seed.data, {x._serial for x in nodes}, {x._serial for x in nodes if not x._op}, record=False)
    taken = {id(_owner(seed.data))}
    for leaf in nodes:
        g = found.get(leaf._serial)
        if g is None:
            continue
        if leaf.grad is not None:
            leaf.grad += g
        else:  # no two tensors may share the memory of a gradient
            leaf.grad = g.copy() if id(_owner(g)) in taken or not g.flags.writeable else g
            taken.add(id(_owner(leaf.grad)))


def gradients(output: Node, inputs: Sequence[Node], gradient: Node | None, record: bool) -> list[Node]:
    """∂output/∂input for nodes anywhere in the graph: zeros where output does not depend on them."""
    seed, nodes, wanted = _seed(output, gradient), history(output), {x._serial for x in inputs}
    leads = set(wanted)
    for node in nodes:
        if any(x._serial in leads for x in inputs_of(node)):
            leads.add(node._serial)
    for x in inputs:
        if not x.requires_grad:
            raise OperationError(f"gradient with respect to a tensor of shape {x.shape} that does not ask for one (requires_grad)")
    found = _sweep(nodes, seed if record else seed.data, leads, wanted, record)
    arrays = [found.get(x._serial, np.zeros(x.shape, x.dtype)) for x in inputs]
    return [type(output)(g) if isinstance(g, np.ndarray) else g for g in arrays]


def _seed(output: Node, gradient: Node | None) -> Node:
    if not output.requires_grad:
        raise OperationError(f"backward of a tensor of shape {output.shape}: nothing that it was computed from asks for a gradient")
    if gradient is None and output.size != 1:
        raise OperationError(f"backward of a tensor of shape {output.shape}, which is no scalar: give its gradient, of that shape")
    if gradient is not None and gradient.shape != output.shape:
        raise OperationError(f"backward of a tensor of shape {output.shape}: a gradient of shape {gradient.shape} was given")
    return type(output)(np.ones_like(output.data)) if gradient is None else gradient


def _sweep(nodes: list[Node], seed: Array, leads: Collection[int], wanted: Collection[int], record: bool) -> dict[int, Array]:
    """The gradients of the wanted nodes by serial number; `leads`: the nodes between them and the output."""
    pending, kept = {nodes[-1]._serial: seed}, {}
    sums: set[int] = set()  # gradients that were added up here, in memory that nobody else has
    for node in reversed(nodes):
        g = pending.pop(node._serial, None)
        if g is None:
            continue
        if node._serial in wanted:
            kept[node._serial] = g
        if not node._op or node._serial not in leads:
            continue
        inputs = inputs_of(node)
        need = tuple([x.requires_grad and x._serial in leads for x in inputs])
        for x, part in _step(node, inputs, g, need, record):
            before = pending.get(x._serial)
            if before is None:
                pending[x._serial] = part
            elif x._serial in sums and not record:
                before += part
            else:
                pending[x._serial] = before + part if record else np.asarray(before + part)  # NumPy makes scalars of 0-d sums
                sums.add(x._serial)
    return kept


def _step(node: Node, inputs: Sequence[Node], g: Array, need: tuple[bool, ...], record: bool) -> list[tuple[Node, Array]]:
    """(input, its gradient) for one node by its backward rule; broadcasting is undone and each gets the float type of its input."""
    row = ROWS[node._op]
    _check_unchanged(node, need)
    values = tuple(inputs) if record else tuple([x.data for x in inputs])
    if row.saves and record:
        raise OperationError(f"{node._op}: its backward rule is written by hand and cannot be differentiated again")
    output = node._saved if row.saves else node if record else node.data
    parts = []
    for x, part, wanted in zip(inputs, row.backward(g, values, output, need, node._options), need, strict=True):
        if not wanted or part is None:
            continue
        if row.kind == "elementwise":
            part = sum_to(part, x.shape)
        if part.dtype != x.dtype:
            part = do("cast", part, options={"dtype": x.dtype})
        part = part if record else np.asarray(part)  # NumPy makes scalars of 0-d results
        if counters.ACTIVE and not record:
            counters.note(f"{node._op} backward", part)
        parts.append((x, part))
    return parts


def _check_unchanged(node: Node, need: tuple[bool, ...]) -> None:
    """Every value that the backward rule reads is still the one that was there when it was recorded."""
    reads = ROWS[node._op].reads
    for i, (x, version) in enumerate(zip(node._inputs, node._versions, strict=True)):
        if x._version[0] != version and (reads in ("inputs", "both") or (reads == "others" and any(need[:i] + need[i + 1 :]))):
            raise OperationError(f"backward of {node._op}: its input {i} of shape {x.shape} was changed in place after it was used")
    if reads in ("output", "both") and node._version[0] != node._born:
        raise OperationError(f"backward of {node._op}: its result of shape {node.shape} was changed in place after it was computed")


def _owner(x: Array) -> Array:
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x
