"""Pairs of algorithms without gradients: solving, separating, centres, components."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sonde.cost import systolic as fast_systolic
from sonde.ops import least_squares as fast_least_squares
from sonde.ops import margin as fast_margin
from sonde.ops.k_means import k_means as fast_k_means
from sonde.scratch import linear_regression as scratch_linear_regression
from sonde.scratch import perceptron as scratch_perceptron
from sonde.scratch.k_means import k_means as scratch_k_means
from sonde.scratch.pca import pca as scratch_pca
from sonde.scratch.systolic import systolic_array as scratch_systolic
from sonde.verify.cases import draw, draws
from sonde.verify.pair import Array, Case, Pair


def linear_regression() -> Pair:
    """Closed form, also with columns that follow from others, and with a ridge."""

    def fast(x: Tensor, y: Tensor, ridge: float = 0.0) -> tuple[Tensor, Tensor]:
        weight, bias, _ = fast_least_squares.solve(x.double(), y.double(), ridge=ridge)
        return weight, bias

    def scratch(x: Array, y: Array, ridge: float = 0.0) -> tuple[Array, Array]:
        found = scratch_linear_regression.solve(x, y, ridge=ridge)
        return found.weight, found.bias

    x = draw("x", (40, 5))
    twice = np.concatenate([x, x[:, :1] * 2], axis=1)
    y = draw("y", (40, 2))
    cases = [
        Case("40 × 5", {"x": x, "y": y}),
        Case("ridge", {"x": x, "y": y}, {"ridge": 0.1}),
        Case("a column twice", {"x": twice, "y": y}),
        Case("a constant column", {"x": np.concatenate([x, np.ones((40, 1))], axis=1), "y": y}),
    ]
    # Inputs of float32 are solved in float64 by both; solutions of a nearly singular system agree to its condition.
    return Pair(scratch, fast, cases, "sonde.ops.least_squares", gradients=False)


def separation() -> Pair:
    """The widest margin of two classes, and the radius: the perceptron's bound (r² + 1)/ρ²."""

    def data(name: str, offset: float) -> dict[str, Array]:
        x = draw(name, (30, 2))
        t = (x.sum(1) > 0).astype(np.int64)
        return {"x": x + offset * np.where(t[:, None] == 1, 1.0, -1.0), "t": t}

    def scratch(x: Array, t: Array) -> tuple[Array, ...]:
        found = scratch_perceptron.separate(x, t)
        return np.array(found.radius), np.array(found.separable), np.array(round(float(found.margin), 4))

    def fast(x: Tensor, t: Tensor) -> tuple[Any, ...]:
        found = fast_margin.separate([(x.double(), 2.0 * t.double() - 1)])
        return np.array(found.radius), np.array(bool(found.separable)), np.array(round(float(found.margin), 4))

    # The fast side stops within 1e-6 of the widest margin.
    xor = {"x": np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), "t": np.array([0, 1, 1, 0])}
    return Pair(scratch, fast, [Case("separable", data("x", 0.5)), Case("XOR", xor)], "sonde.ops.margin", gradients=False)


def pca() -> Pair:
    """Variances along the components, and the plane that they span."""

    def fast(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        x = x.double()
        values, vectors = torch.linalg.eigh(torch.cov(x.T))
        top = vectors[:, -k:]
        return values.flip(0)[:k], top @ top.T

    def scratch(x: Array, k: int) -> tuple[Array, Array]:
        found = scratch_pca(x, k)
        return found.variance, found.components.T @ found.components

    cases = [
        Case("50 × 6", {"x": draw("x", (50, 6)) * np.array([5.0, 3, 2, 1, 0.5, 0.1])}, {"k": 2}),
        Case("all", {"x": draw("x", (9, 3))}, {"k": 3}),
    ]
    return Pair(scratch, fast, cases, "torch.linalg.eigh of the covariance", gradients=False)


def k_means() -> Pair:
    """Centres and members after Lloyd's rounds from the same start."""

    def fast(x: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        return fast_k_means(x.double(), centres.double())

    def scratch(x: Array, centres: Array) -> tuple[Array, Array]:
        found = scratch_k_means(x, len(centres), rng=np.random.default_rng(0), centres=centres)
        return found.centres, found.labels

    x = np.concatenate([draw(f"group {k}", (20, 2), 0.3) + 3 * k for k in range(3)])
    return Pair(scratch, fast, [Case("three groups", {"x": x, "centres": x[[0, 25, 50]]})], "sonde.ops.k_means", gradients=False)


def systolic_array() -> Pair:
    """The product on a grid of processing elements, and the cycle in which each of its numbers leaves."""

    def fast(w: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        found = fast_systolic.run(w, x)
        return found.product, found.left

    cases = [
        Case("3 × 3 by 3 × 2", draws(w=(3, 3), x=(3, 2))),
        Case("one row", draws(w=(1, 4), x=(4, 3))),
        Case("a long batch", draws(w=(4, 2), x=(2, 9))),
        Case("one number", draws(w=(1, 1), x=(1, 1))),
    ]
    return Pair(scratch_systolic, fast, cases, "sonde.cost.systolic, all elements at once", gradients=False)
