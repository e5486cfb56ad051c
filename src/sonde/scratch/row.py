"""What the table of operations is made of: a value rule and a derivative rule, with what the engine has to know about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Array = Any
Options = Mapping[str, Any]
Backward = Callable[[Array, tuple[Array, ...], Array, tuple[bool, ...], Options], tuple[Array | None, ...]]


class OperationError(ValueError):
    """An operation that cannot be done: the message names the operation and the shapes."""


@dataclass(frozen=True)
class Row:
    """One operation.

    forward(*arrays, **options) gives the value: one array, or with `saves` a pair (value, what backward wants to keep).
    backward(g, inputs, output, need, options) gives one gradient per input, None where need[i] is false; with `saves`,
    `output` is the pair.
    kind says how forward accumulation follows from the two (see dual.py): "elementwise" rules work at each place
    (NumPy's broadcasting included, which the engine undoes in gradients), "linear" ones are linear in all inputs
    together, "product" ones in each input alone; "other" needs a `tangent` rule of its own, or has none.
    reads says what backward looks at: "inputs", "others" (∂/∂xᵢ reads the inputs but xᵢ), "output", "both" or "nothing";
    an in-place change of that is an error. view: the value may share its first input's memory.
    lift(options, ndim, directions) adapts a linear row's options to inputs with an axis of directions in front, or gives None.
    tangent(inputs, tangents, output, options) is the forward rule, each tangent (directions, *shape) or None.
    """

    forward: Callable[..., Any]
    backward: Backward
    kind: str = "other"
    reads: str = "nothing"
    view: bool = False
    saves: bool = False
    lift: Callable[[Options, int, int], Options | None] | None = None
    tangent: Callable[[tuple[Array, ...], tuple[Array | None, ...], Array, Options], Array] | None = None
