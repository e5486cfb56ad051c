"""What stands twice, and how the two are held against each other.

A `Pair` names the function of `sonde.scratch` and the fast one, and the inputs on which both must say the same. Arrays of
floating point are differentiated: a random gradient comes from above, and each input's gradient is compared as well.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from sonde.scratch.tensor import Tensor, as_tensor

Array = np.ndarray
# Largest difference allowed, relative to the largest number of the value (and to 1 where that is smaller).
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


@dataclass(frozen=True)
class Case:
    """Inputs by name: floating-point arrays, given in float64, are differentiated; others go in as they are. `options` are plain."""

    name: str
    inputs: Mapping[str, Array]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """One algorithm twice. Both functions take the inputs and options of a case by name and give one array, or a tuple of them.

    `scratch` gets Tensors (plain arrays where `gradients` is false), `fast` PyTorch tensors. `what` says in a few words what
    the fast side is. `dtypes`: whole trainings are compared in float64 alone, as rounding picks other maxima and grows from there.
    """

    scratch: Callable[..., Any]
    fast: Callable[..., Any]
    cases: Sequence[Case]
    what: str = "torch.nn"
    gradients: bool = True
    dtypes: tuple[str, ...] = tuple(TOLERANCE)


@dataclass(frozen=True)
class Verdict:
    """The largest relative differences over all cases, where they were, and the times of the first case in seconds."""

    name: str
    what: str
    value: dict[str, float]
    gradient: dict[str, float]
    worst: dict[str, str]
    scratch_seconds: float
    fast_seconds: float
    passed: bool


def judge(name: str, pair: Pair) -> Verdict:
    """Run both sides on every case, in float64 and float32."""
    value: dict[str, float] = {}
    gradient: dict[str, float] = {}
    worst: dict[str, str] = {}
    passed = True
    for dtype in pair.dtypes:
        value[dtype] = gradient[dtype] = 0.0
        for case in pair.cases:
            ours, theirs = scratch_side(pair, case, dtype), fast_side(pair, case, dtype)
            for kind, found, place in compare(ours, theirs):
                table = value if kind == "value" else gradient
                if not found <= table[dtype]:  # a difference that is not a number counts
                    table[dtype], worst[f"{kind} {dtype}"] = found, f"{case.name}: {place}"
                passed = passed and found <= TOLERANCE[dtype]
    first = pair.cases[0]
    slow, fast = (_seconds(partial(side, pair, first, pair.dtypes[-1])) for side in (scratch_side, fast_side))
    return Verdict(name, pair.what, value, gradient, worst, slow, fast, passed)


@dataclass(frozen=True)
class Answer:
    """What one side says: values in order, and the gradient of each differentiated input by name."""

    values: list[Array]
    gradients: dict[str, Array]


def scratch_side(pair: Pair, case: Case, dtype: str) -> Answer:
    """Values and gradients by `sonde.scratch`."""
    if not pair.gradients:
        given = {name: x.astype(dtype) if _real(x) else x for name, x in case.inputs.items()}
        return Answer([_array(y) for y in _several(pair.scratch(**given, **case.options))], {})
    inputs = {name: Tensor(x.astype(dtype), requires_grad=True) if _real(x) else x for name, x in case.inputs.items()}
    outputs = _several(pair.scratch(**inputs, **case.options))
    total = None
    for place, y in enumerate(outputs):
        if isinstance(y, Tensor) and y.requires_grad:
            part = (y * as_tensor(above(y.shape, place, dtype))).sum()
            total = part if total is None else total + part
    if total is not None:
        total.backward()
    wanted = {name: x for name, x in inputs.items() if isinstance(x, Tensor)}
    return Answer(
        [_array(y) for y in outputs], {name: np.zeros(x.shape, dtype) if x.grad is None else x.grad for name, x in wanted.items()}
    )


def fast_side(pair: Pair, case: Case, dtype: str) -> Answer:
    """Values and gradients by the fast side."""
    inputs = {
        name: torch.from_numpy(x.astype(dtype)).requires_grad_(pair.gradients) if _real(x) else torch.from_numpy(np.ascontiguousarray(x))
        for name, x in case.inputs.items()
    }
    outputs = _several(pair.fast(**inputs, **case.options))
    differentiated = {name: x for name, x in inputs.items() if x.requires_grad}
    parts = [
        (y * torch.from_numpy(above(tuple(y.shape), place, dtype))).sum()
        for place, y in enumerate(outputs)
        if isinstance(y, torch.Tensor) and y.requires_grad
    ]
    gradients: dict[str, Array] = {}
    if parts and differentiated:
        found = torch.autograd.grad(torch.stack(parts).sum(), list(differentiated.values()), allow_unused=True)
        for (name, x), g in zip(differentiated.items(), found, strict=True):
            gradients[name] = np.zeros(tuple(x.shape), dtype) if g is None else g.numpy()
    return Answer([_array(y) for y in outputs], gradients)


def compare(ours: Answer, theirs: Answer) -> list[tuple[str, float, str]]:
    """(value or gradient, relative difference, where) of each value and each gradient."""
    found = []
    for place, (a, b) in enumerate(zip(ours.values, theirs.values, strict=True)):
        found.append(("value", *difference(a, b, "the value" if len(theirs.values) == 1 else f"value {place}")))
    for name, b in theirs.gradients.items():
        found.append(("gradient", *difference(ours.gradients[name], b, f"∂/∂{name}")))
    return found


def difference(ours: Array, theirs: Array, what: str) -> tuple[float, str]:
    """The largest |a − b| over max(1, largest |b|), and the place of it; ∞ where shapes differ or only one is finite."""
    if ours.shape != theirs.shape:
        return float("inf"), f"{what} has shape {ours.shape}, not {theirs.shape}"
    if not theirs.size:
        return 0.0, what
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    apart = np.where(np.isnan(apart), np.inf, apart)
    finite = np.abs(b[np.isfinite(b)])
    scale = max(1.0, float(finite.max()) if finite.size else 1.0)
    place = np.unravel_index(int(apart.argmax()), apart.shape)
    return float(apart[place]) / scale, f"{what}{list(map(int, place)) if place else ''}"


def above(shape: tuple[int, ...], place: int, dtype: str) -> Array:
    """A gradient from above: random, and the same on both sides."""
    return np.random.default_rng(1_000 + place).normal(size=shape).astype(dtype)


def _seconds(run: Callable[[], object]) -> float:
    """The median time of five calls, after one that does not count."""
    run()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _several(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _array(y: Any) -> Array:
    if isinstance(y, Tensor):
        return y.data
    if isinstance(y, torch.Tensor):
        return y.detach().numpy()
    return np.asarray(y)


def _real(x: Array) -> bool:
    return np.issubdtype(x.dtype, np.floating)
