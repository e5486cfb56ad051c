"""How long a training step takes, from the operations that it consists of.

A roofline says how long it takes at least; kernels reach a share of it that depends on shapes. That share is measured once on this machine, on a
fixed sample of shapes (calibration.py), kind by kind, and interpolated between them: the logarithm of seconds per unit of work is a smooth function
of the logarithms of the sizes, estimated by kernel regression on the residuals of a straight line (a Gaussian process with a linear mean; Rasmussen &
Williams 2006, section 2.7). A step is the sum over its operations; what calling one costs is a part of each.

No model is measured, so what is predicted for a model has not seen it.
"""

from __future__ import annotations

import bisect
import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from sonde.cost.account import Cost
from sonde.cost.calibration import Features, Sample, convolution_features, convolution_kind, logs, matrix_features, samples
from sonde.cost.machine import key
from sonde.cost.operations import Operation
from sonde.data.readers.cache import cache_folder, kept

LENGTH = 5.0  # octaves over which a shape tells of another one
NOISE = 0.05  # variance of a measured logarithm
HELD = 64 * 2**20  # bytes that the allocator keeps for the next step instead of handing them back

# Elementwise operations that are unlike an addition, by the name of a sample that they are like.
LIKE: dict[str, str] = {
    "native_batch_norm": "norm",
    "native_batch_norm_backward": "norm backward",
    "native_layer_norm": "norm",
    "native_layer_norm_backward": "norm backward",
    "native_group_norm": "norm",
    "native_group_norm_backward": "norm backward",
    "max_pool2d_with_indices": "pool",
    "max_pool2d_with_indices_backward": "pool backward",
    "_softmax": "softmax",
    "_log_softmax": "softmax",
    "_softmax_backward_data": "softmax",
    "_log_softmax_backward_data": "softmax",
    "sum": "reduction",
    "mean": "reduction",
    "maximum": "strided",
    "copy_": "strided backward",
    **dict.fromkeys(("tanh", "sigmoid", "exp", "gelu", "silu", "erf", "log", "pow", "elu", "softplus"), "function"),
    **dict.fromkeys(("gelu_backward", "silu_backward", "pow_backward"), "function"),
    **dict.fromkeys(("relu", "relu_", "clone", "cat", "_to_copy", "constant_pad_nd", "leaky_relu", "clamp", "fill_", "zero_"), "one"),
    **dict.fromkeys(("threshold_backward", "leaky_relu_backward"), "one backward"),
}


@dataclass(frozen=True)
class Surface:
    """Log₂ of seconds per unit of work over the features of one kind: a plane, and what the samples around say beyond it."""

    samples: Sequence[Sample]

    def _between(self, at: float) -> float:
        """Seconds where the amount alone matters: on the line between the samples around, beyond the last in proportion to the amount."""
        known = sorted((sample.features[0], math.log2(sample.seconds)) for sample in self.samples)
        if at >= known[-1][0]:
            return 2.0 ** (known[-1][1] + at - known[-1][0])
        place = max(1, bisect.bisect_right([x for x, _ in known], at))
        (x1, y1), (x2, y2) = known[place - 1], known[place]
        return 2.0 ** (y1 + max(0.0, (at - x1) / (x2 - x1)) * (y2 - y1))

    @cached_property
    def _fitted(self) -> tuple[Tensor, float, Tensor, Tensor, Tensor]:
        x = torch.tensor([sample.features for sample in self.samples], dtype=torch.float64)
        y = torch.tensor([math.log2(sample.seconds / sample.work) for sample in self.samples], dtype=torch.float64)
        middle, mean = x.mean(0), float(y.mean())
        # A ridge keeps the plane flat in directions that the samples hardly vary in.
        slope = torch.linalg.solve((x - middle).T @ (x - middle) + torch.eye(x.shape[1], dtype=x.dtype), (x - middle).T @ (y - mean))
        residual = y - mean - (x - middle) @ slope
        alpha = torch.linalg.solve(_near(x, x) + NOISE * torch.eye(len(x), dtype=x.dtype), residual)
        return x, mean, middle, slope, alpha

    def seconds(self, features: Features, work: int | float) -> float:
        """How long so much work of such a shape takes."""
        if len(features) == 1:
            return self._between(features[0])
        x, mean, middle, slope, alpha = self._fitted
        at = torch.tensor([features], dtype=torch.float64)
        at = torch.minimum(torch.maximum(at, x.amin(0) - 1), x.amax(0) + 1)  # a plane leads astray far from the samples
        found = mean + (at - middle) @ slope + _near(at, x) @ alpha
        return 2.0 ** float(found) * work


def _near(a: Tensor, b: Tensor) -> Tensor:
    """How much a sample tells of another place: exp(−|a − b|²/2ℓ²)."""
    return torch.exp(-torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square() / (2 * LENGTH**2))


@dataclass(frozen=True)
class Calibration:
    """What was measured, ready to estimate."""

    samples: tuple[Sample, ...]

    @cached_property
    def surfaces(self) -> dict[str, Surface]:
        """A surface for each kind."""
        kinds: dict[str, list[Sample]] = {}
        for sample in self.samples:
            kinds.setdefault(sample.kind, []).append(sample)
        return {kind: Surface(found) for kind, found in kinds.items() if found[0].features and not kind.startswith("update ")}

    def constant(self, kind: str) -> float:
        """A measurement without features: "call", "call backward", "view", "fresh"."""
        return next(sample.seconds for sample in self.samples if sample.kind == kind)

    def step(self, bill: Cost) -> float:
        """Seconds of a training step: forward, backward, update."""
        memory = bill.memory
        fresh = max(0, memory.training - memory.weights - memory.optimizer - memory.inputs - HELD)
        update = self.update(bill.optimizer, len(bill.trained), sum(bill.trained))
        return sum(map(self.seconds, bill.operations)) + update + fresh * self.constant("fresh")

    def seconds(self, operation: Operation) -> float:
        """One operation, with the call of it."""
        backward = operation.phase == "backward"
        if operation.kind == "view":
            # Looking at what autograd kept is done by the tracing, not by the model.
            return 0.0 if operation.name == "detach" or backward else self.constant("view")
        return self.constant("call backward" if backward else "call") + self._work(operation, backward)

    def _work(self, operation: Operation, backward: bool) -> float:
        if operation.kind == "convolution":
            return self._convolution(operation)
        if operation.kind == "matrix":
            return self.surfaces["matrix"].seconds(_matrix(operation), operation.multiply_adds)
        if operation.kind in ("attention", "recurrent"):
            kind = f"{operation.kind}{' backward' if backward else ''}"
            return self.surfaces[kind].seconds(_sequence(operation, backward), operation.multiply_adds)
        kind = LIKE.get(operation.name, "plain backward" if backward else "plain")
        if kind in ("pool", "pool backward"):
            outputs, area, stride = operation.geometry
            return self.surfaces[kind].seconds(logs(outputs, area, stride), outputs * area)
        moved = max(operation.moved, 64)
        return self.surfaces[kind].seconds(logs(moved), moved)

    def _convolution(self, operation: Operation) -> float:
        stride, groups, places, *_ = operation.geometry
        backward = operation.name == "convolution_backward"
        x, w = operation.shapes[1:3] if backward else operation.shapes[:2]
        features = convolution_features(w[1], max(1, w[0] // groups), math.prod(w[2:]), places, x[0], stride, groups)
        kind = convolution_kind(x[1], groups)
        # What makes only one of two gradients is given the work of one.
        return self.surfaces[f"{kind} backward" if backward else kind].seconds(features, operation.multiply_adds)

    def update(self, optimizer: str, tensors: int, weights: int) -> float:
        """An optimiser's step: so much at all, so much a tensor, so much a number."""
        few, many, large = (sample for sample in self.samples if sample.kind == f"update {optimizer}")
        each = max(0.0, (many.seconds - few.seconds) / (many.features[0] - few.features[0]))
        return few.seconds + each * tensors + weights * large.seconds / large.work


def _matrix(operation: Operation) -> Features:
    """Of (a, b), or (bias, a, b): how many products, of which sizes."""
    a, b = (shape if len(shape) > 1 else (*shape, 1) for shape in operation.shapes[-2:])
    many = a[0] if len(a) == 3 else 1
    return matrix_features(many, a[-2], a[-1], b[-1])


def _sequence(operation: Operation, backward: bool) -> Features:
    if operation.kind == "attention":
        q, k = operation.shapes[1:3] if backward else operation.shapes[:2]
        return matrix_features(math.prod(q[:-2]), q[-2], q[-1], k[-2])
    x, into = operation.shapes[0], operation.shapes[1]
    return matrix_features(x[0], x[1], x[-1] + into[0] // 4, into[0])


def _name() -> str:
    return f"machines/{key(torch.device('cpu'))}-operations.json"


def is_calibrated() -> bool:
    """Whether operations have been measured on this machine."""
    return (cache_folder() / _name()).exists()


def calibration(*, again: bool = False) -> Calibration:
    """How fast operations are here, from the cache folder where it was measured before (`again`: measured anew)."""
    if again:
        (cache_folder() / _name()).unlink(missing_ok=True)
    file = kept(_name(), _write)
    found = json.loads(file.read_text(encoding="utf-8"))
    return Calibration(tuple(Sample(each["kind"], tuple(each["features"]), each["work"], each["seconds"]) for each in found))


def _write(path: Path) -> None:
    path.write_text(json.dumps([dataclasses.asdict(sample) for sample in samples()]), encoding="utf-8")
