"""Pairs of losses (sums over examples), and of measures of information."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sonde.ops import losses as fast
from sonde.scratch import information as scratch_information
from sonde.scratch import losses as scratch
from sonde.verify.cases import draw, draws, tied, whole
from sonde.verify.pair import Array, Case, Pair


def _pair(ours: Callable[..., Any], theirs: Callable[..., Any], cases: list[Case], *, argument: str = "prediction") -> Pair:
    """Both give (sum, count); targets are data and not differentiated, so they travel as options."""

    def scratch_side(x: Any, **options: Any) -> Any:
        return ours(x, options.pop("target"), **options)[0]

    def fast_side(x: Tensor, **options: Any) -> Tensor:
        given = {key: torch.from_numpy(np.asarray(value)) if isinstance(value, np.ndarray) else value for key, value in options.items()}
        target = given.pop("target")
        if target.is_floating_point():
            target = target.to(x.dtype)
        given = {
            key: value.to(x.dtype) if isinstance(value, Tensor) and value.is_floating_point() else value for key, value in given.items()
        }
        total: Tensor = theirs(x, target, **given)[0]
        return total

    return Pair(scratch_side, fast_side, cases, "sonde.ops.losses")


def _values(name: str, shape: tuple[int, ...], scale: float = 1.0, **options: Any) -> Case:
    return Case(name, {"x": draw("prediction", shape, scale)}, {"target": draw("target", shape, scale), **options})


def _errors(**options: Any) -> list[Case]:
    tie = Case("ties", {"x": tied("a", (6, 2))}, {"target": tied("b", (6, 2)), **options})
    weighted = _values("weighted", (5, 2), weights=np.array([0.0, 1.0, 2.0, 0.5, 3.0]), **options)
    return [
        _values("rows", (8, 3), **options),
        _values("empty batch", (0, 3), **options),
        tie,
        weighted,
        _values("large magnitudes", (4, 1), 1e4, **options),
    ]


def squared() -> Pair:
    """½(y − ŷ)²."""
    return _pair(scratch.squared, fast.squared, _errors())


def mse() -> Pair:
    """(y − ŷ)², a mean over outputs."""
    return _pair(scratch.mse, fast.mse, _errors())


def mae() -> Pair:
    """|y − ŷ|, with sub-gradient 0 at 0."""
    return _pair(scratch.mae, fast.mae, _errors())


def huber() -> Pair:
    """Squared near 0, straight beyond δ."""
    return _pair(scratch.huber, fast.huber, _errors(delta=0.7))


def _classes(name: str, n: int, classes: int, scale: float = 1.0, **options: Any) -> Case:
    return Case(name, {"x": draw("logits", (n, classes), scale)}, {"target": whole("y", (n,), classes), **options})


def cross_entropy() -> Pair:
    """−log softmax(o)_y, also smoothed and with weights of classes."""
    weights = np.array([0.5, 1.0, 2.0])
    cases = [
        _classes("rows", 9, 5),
        _classes("empty batch", 0, 3),
        _classes("smoothing", 6, 4, smoothing=0.1),
        _classes("weights of classes", 7, 3, class_weights=weights),
        _classes("large magnitudes", 5, 4, 1e3),
        Case("ties", {"x": np.zeros((4, 3))}, {"target": whole("y", (4,), 3)}),
    ]
    return _pair(scratch.cross_entropy, fast.cross_entropy, cases)


def one_hot_squared() -> Pair:
    """Least squares for classes."""
    return _pair(scratch.one_hot_squared, fast.one_hot_squared, [_classes("rows", 9, 5), _classes("empty batch", 0, 3)])


def binary_cross_entropy() -> Pair:
    """Several 0/1 labels."""

    def labels(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Case:
        return Case(name, {"x": draw("z", shape, scale)}, {"target": tied("t", shape, 2)})

    zero = Case("at 0", {"x": np.zeros((3, 2))}, {"target": tied("t", (3, 2), 2)})
    return _pair(
        scratch.binary_cross_entropy,
        fast.binary_cross_entropy,
        [labels("rows", (8, 3)), labels("empty batch", (0, 2)), zero, labels("large magnitudes", (5, 2), 300.0)],
    )


def perceptron_sign() -> Pair:
    """max(0, −y·z), an update at z = 0 too."""
    cases = [
        Case("rows", {"x": draw("z", (12,))}, {"target": 2 * whole("y", (12,), 2) - 1}),
        Case("at 0", {"x": np.zeros(4)}, {"target": np.array([-1, 1, 1, -1])}),
    ]
    return _pair(scratch.perceptron_sign, fast.perceptron_sign, cases)


def perceptron_step() -> Pair:
    """−(t − step(z))·z."""
    cases = [
        Case("rows", {"x": draw("z", (12,))}, {"target": whole("y", (12,), 2)}),
        Case("at 0", {"x": np.zeros(4)}, {"target": np.array([0, 1, 1, 0])}),
    ]
    return _pair(scratch.perceptron_step, fast.perceptron_step, cases)


def margin() -> Pair:
    """Max over i of Δ(y, i) + oᵢ − o_y."""
    distance = np.abs(draws(d=(4, 4))["d"]) * (1 - np.eye(4))
    cases = [
        _classes("rows", 9, 4),
        _classes("a distance for each pair of classes", 6, 4, distance=distance),
        _classes("empty batch", 0, 4),
    ]
    return _pair(scratch.margin, fast.margin, cases)


def _information(ours: Callable[..., Any], theirs: Callable[..., Tensor], parts: int) -> Pair:
    def distribution(name: str, n: int, sharp: float = 1.0) -> Array:
        e = np.exp(draw(name, (n,), sharp))
        return e / e.sum()

    names = ("p", "q")[:parts]
    sharp = {name: np.array([1.0, 0.0, 0.0]) if name == "p" else np.array([0.5, 0.25, 0.25]) for name in names}
    cases = [
        Case("ten events", {name: distribution(name, 10) for name in names}),
        Case("certain", sharp),
        Case("one event", {name: np.ones(1) for name in names}),
    ]
    return Pair(lambda **given: np.asarray(ours(**given)), theirs, cases, "torch.special", gradients=False)


def entropy() -> Pair:
    """−Σ p log p."""
    return _information(scratch_information.entropy, lambda p: torch.special.entr(p).sum(), 1)


def kl_divergence() -> Pair:
    """Σ p log p/q."""
    return _information(scratch_information.kl_divergence, lambda p, q: (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(), 2)
