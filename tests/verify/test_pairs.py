"""Every pair is equal, every algorithm of `sonde.scratch` has one, and a pair that is not equal is found."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import sonde.scratch
from sonde import verify
from sonde.errors import UsageError
from sonde.scratch.tensor import Tensor
from sonde.verify.cases import draws
from sonde.verify.pair import Case, Pair, difference, judge

# What the algorithms are built of, or describe: no algorithm with a fast form of its own.
MACHINERY = {
    "tensor": "arrays that record; held against PyTorch operation by operation in tests/scratch",
    "rules": "the derivatives, as above",
    "row": "a row of that table",
    "kernels": "array rules of that table",
    "record": "writes the graph down",
    "reverse": "goes back over it",
    "dual": "goes forward with it",
    "graph": "builds it first",
    "derivatives": "Jacobians from it",
    "counters": "counts what it does",
    "draw": "draws it",
    "recurrent": "layers and directions of rnn, gru and lstm",
    "gru_kernel": "the rows of gru in the table",
    "initialisation": "random: its variances are tests",
    "stability": "a report",
    "linear_algebra": "norms and properties, tested by their facts",
    "calculus": "three ways to differentiate, tested against each other",
    "training": "the loop: the whole models below go through the same arithmetic",
}


@pytest.mark.parametrize("name", verify.PAIRS)
def test_equal(name: str) -> None:
    verdict = judge(name, verify.twins(name))
    assert verdict.passed, verdict.worst


def test_every_algorithm_has_a_pair() -> None:
    for name in verify.PAIRS:
        verify.twins(name)
    reached = {key for key, module in sys.modules.items() if key.startswith("sonde.scratch.") and module is not None}
    folder = Path(sonde.scratch.__file__).parent
    waiting = {scratch for scratch, _ in verify.WAITING.values()}
    for file in folder.glob("*.py"):
        module = f"sonde.scratch.{file.stem}"
        if file.stem not in MACHINERY and file.stem != "__init__" and module not in waiting:
            assert module in reached, f"{file.name} holds an algorithm without a pair in sonde.verify.PAIRS"
    assert not [name for name in MACHINERY if not (folder / f"{name}.py").exists()]


def test_an_algorithm_with_a_new_fast_form_needs_a_pair() -> None:
    for name, (scratch, fast) in verify.WAITING.items():
        assert importlib.util.find_spec(scratch) is not None
        assert importlib.util.find_spec(fast) is None, f"{fast} exists now: move {name} from WAITING to PAIRS"


def _pair(fast: object, scratch: object = lambda x: x * x) -> Pair:
    return Pair(scratch, fast, [Case("plain", draws(x=(3, 2))), Case("empty batch", {"x": np.zeros((0, 2))})])  # type: ignore[arg-type]


def test_a_wrong_value_is_found() -> None:
    verdict = judge("square", _pair(lambda x: x * x + 1e-6))
    assert not verdict.passed
    assert verdict.worst["value float64"].startswith("plain: the value[")


def test_a_wrong_gradient_is_found() -> None:
    verdict = judge("square", _pair(lambda x: x.detach() * x))
    assert not verdict.passed
    assert verdict.value["float64"] == 0 and verdict.gradient["float64"] > 0.1
    assert "∂/∂x" in verdict.worst["gradient float64"]


def test_a_gradient_that_is_missing_is_found() -> None:
    assert not judge("square", _pair(lambda x: x * x, lambda x: Tensor(x.data) * Tensor(x.data))).passed


def test_not_a_number_and_shapes_are_differences() -> None:
    assert not judge("square", _pair(lambda x: x * x / (x != x[:1]))).passed
    assert not judge("square", _pair(lambda x: (x * x).sum(1))).passed
    one, nan = np.array([1.0, 2.0]), np.array([1.0, np.nan])
    assert difference(one, nan, "y")[0] == np.inf
    assert difference(nan, nan, "y")[0] == 0
    assert difference(np.array([np.inf]), np.array([np.inf]), "y")[0] == 0
    assert difference(np.array([np.inf]), np.array([-np.inf]), "y")[0] == np.inf


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no pair 'conv2'") as found:
        verify.twins("conv2")
    assert "conv2d" in str(found.value)


def test_float32_is_compared_too() -> None:
    verdict = judge("square", _pair(lambda x: (x.double() * x.double()).to(x.dtype) if x.dtype == torch.float64 else x * x * (1 + 1e-4)))
    assert verdict.value["float64"] < 1e-15 and not verdict.passed
