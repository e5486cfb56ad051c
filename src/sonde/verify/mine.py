"""`sonde verify NAME --mine FILE`: a learner's own function against the pair, on the same inputs. Homework that marks itself.

The file is the learner's own and is run as such. It defines a function called as the pair is, with the pair's arguments, in NumPy
or in PyTorch. Gradients: autograd's for PyTorch; for NumPy those of a function NAME_backward(gradient, **inputs) -> {input: gradient}
where the file has one, else central differences of the function itself.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from sonde.errors import UsageError
from sonde.verify.pair import Answer, Array, Case, Pair, above, difference, fast_side

# In float64: what rounding leaves of an exact form, and of central differences with a step of 1e-6.
EXACT, NUMERICAL = 1e-8, 1e-5
STEP = 1e-6
# Central differences cost two calls a number; larger inputs are compared by value alone.
FEW = 400


@dataclass(frozen=True)
class Marked:
    """What was right, and the first thing that was not."""

    cases: int
    checked: list[str]
    first: str | None

    @property
    def passed(self) -> bool:
        """Whether nothing differed."""
        return self.first is None


def load(path: Path, name: str) -> tuple[ModuleType, Callable[..., Any]]:
    """The learner's module and its function. UsageError says what is missing or where it failed to run."""
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path), remedy=f"give a Python file that defines {name}(…)")
    spec = importlib.util.spec_from_file_location(f"mine_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError("this is not a Python file", where=str(path), remedy="give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the learner's file raises is the answer
        raise UsageError(
            f"the file does not run: {type(error).__name__}: {error}", where=_place(error, path), remedy="mend it, then try again"
        ) from error
    function = getattr(module, name.replace("-", "_"), None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if callable(value) and getattr(value, "__module__", "") == module.__name__]
        remedy = f"call the function {name.replace('-', '_')}" + (f"; the file has {', '.join(own)}" if own else "")
        raise UsageError(f"the file has no function {name.replace('-', '_')}", where=str(path), remedy=remedy)
    return module, function


def mark(name: str, pair: Pair, path: Path) -> Marked:
    """Hold the learner's function against the pair, case by case, up to the first difference."""
    module, function = load(path, name)
    backward = getattr(module, f"{name.replace('-', '_')}_backward", None)
    uses_torch = any(value is torch or getattr(value, "__module__", "").startswith("torch") for value in vars(module).values())
    checked: list[str] = []
    for number, case in enumerate(pair.cases, 1):
        expected = fast_side(pair, case, "float64")
        try:
            found, how = _torch(function, pair, case) if uses_torch else _numpy(function, backward, pair, case, expected)
        except Exception as error:
            shapes = ", ".join(f"{key} {x.shape}" for key, x in case.inputs.items())
            return Marked(number, checked, f"{case.name} ({shapes}): {type(error).__name__}: {error} ({_place(error, path)})")
        wrong = _first(found, expected, case, NUMERICAL if how == "central differences" else EXACT)
        if wrong:
            return Marked(number, checked, wrong)
        checked.append(f"{case.name}: value" + (f" and gradient ({how})" if found.gradients else ""))
    return Marked(len(pair.cases), checked, None)


def _torch(function: Callable[..., Any], pair: Pair, case: Case) -> tuple[Answer, str]:
    return fast_side(Pair(pair.scratch, function, pair.cases, gradients=pair.gradients), case, "float64"), "autograd"


def _numpy(
    function: Callable[..., Any], backward: Callable[..., Any] | None, pair: Pair, case: Case, expected: Answer
) -> tuple[Answer, str]:
    inputs = {name: np.array(x) for name, x in case.inputs.items()}
    values = _values(function, inputs, case.options)
    wanted = {name: inputs[name] for name in expected.gradients}
    if not wanted or [v.shape for v in values] != [v.shape for v in expected.values]:
        return Answer(values, {}), ""
    if backward is not None:
        given = backward(above(values[0].shape, 0, "float64"), **inputs, **case.options)
        return Answer(values, {name: np.asarray(given[name]) for name in wanted}), "its backward"
    if sum(x.size for x in wanted.values()) > FEW or not _smooth(case):
        return Answer(values, {}), ""
    gradients = {name: _central(function, inputs, name, case.options) for name in wanted}
    return Answer(values, gradients), "central differences"


def _values(function: Callable[..., Any], inputs: Mapping[str, Array], options: Mapping[str, Any]) -> list[Array]:
    outputs = function(**inputs, **options)
    return [np.asarray(y) for y in (outputs if isinstance(outputs, tuple) else (outputs,))]


def _central(function: Callable[..., Any], inputs: dict[str, Array], name: str, options: Mapping[str, Any]) -> Array:
    """Σ g·(f(x + h) − f(x − h))/2h for each number of one input."""

    def total() -> float:
        return sum(float((y * above(y.shape, place, "float64")).sum()) for place, y in enumerate(_values(function, inputs, options)))

    x, gradient = inputs[name], np.zeros(inputs[name].shape)
    for place in np.ndindex(x.shape):
        kept = x[place]
        x[place] = kept + STEP
        high = total()
        x[place] = kept - STEP
        gradient[place] = (high - total()) / (2 * STEP)
        x[place] = kept
    return gradient


def _smooth(case: Case) -> bool:
    """Central differences say nothing at ties and drown in large magnitudes."""
    return not any(word in case.name for word in ("tie", "large"))


def _first(found: Answer, expected: Answer, case: Case, allowed: float) -> str | None:
    """The first number that differs, what it is and what it should be."""
    if len(found.values) != len(expected.values):
        return f"{case.name}: {len(found.values)} arrays came back, {len(expected.values)} are expected"
    pairs = [("the value", a, b) for a, b in zip(found.values, expected.values, strict=True)]
    pairs += [(f"the gradient of {name}", g, expected.gradients[name]) for name, g in found.gradients.items()]
    shapes = ", ".join(f"{key} {x.shape}" for key, x in case.inputs.items())
    options = "".join(f", {key}={value}" for key, value in case.options.items())
    for what, a, b in pairs:
        if a.shape != b.shape:
            return f"{case.name} ({shapes}{options}): {what} has shape {a.shape}, and should have {b.shape}"
        if difference(a, b, what)[0] <= allowed:
            continue
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(a - b) <= allowed * scale) & ~(np.isnan(a) & np.isnan(b)) & (a != b)
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        return f"{case.name} ({shapes}{options}): {what} at {list(place)} is {float(a[place]):.10g}, and should be {float(b[place]):.10g}"
    return None


def _place(error: BaseException, path: Path) -> str:
    """file:line of the learner's file where the error came up."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        line = error.lineno
    return f"{path}:{line}" if line else str(path)
