"""Three ways to read a sequence, measured: convolution, recurrence, self-attention, against length n and width d.

For n vectors of d numbers (Vaswani et al. 2017, table 1):

    layer            multiply-adds    one after the other    longest path, until one place knows of all n
    convolution      k·n·d²           1                      ⌈(n − 1) / (k − 1)⌉ layers of width k
    recurrent        2·n·d²           n                      n steps
    self-attention   2·n²·d           1                      1 layer

Of attention that is the products qkᵀ and weights · v, with the weights of all pairs held; the projections that layers have before and
after it are further 4·n·d². A recurrent layer multiplies the input and its state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sonde.cost.probes import shortest
from sonde.cost.trace import trace
from sonde.ops.attention import dot_product_weights

LAYERS = ("convolution", "recurrent", "self-attention")
KERNEL = 3
LENGTHS, WIDTHS = (64, 128, 256, 512, 1024, 2048), (32, 64, 128, 256, 512, 1024)
WIDTH, LENGTH = 64, 256  # of what does not vary
# Exponents of the multiply-adds, of n and of d.
THEORY: dict[str, tuple[int, int]] = {"convolution": (1, 2), "recurrent": (1, 2), "self-attention": (2, 1)}
FITTED = 3  # points, the largest ones: below them a call's fixed cost counts


@dataclass(frozen=True)
class Point:
    """One layer at one size. `seconds`: a forward pass without gradients; `memory`: the most bytes in use in a forward and a backward pass,
    beside weights and input; `serial`: steps that must follow each other; `path`: layers, or steps, until one place knows of all.
    """

    layer: str
    length: int
    width: int
    multiply_adds: int
    memory: int
    serial: int
    path: int
    seconds: float


@dataclass(frozen=True)
class Fit:
    """The exponents of time and memory in n (`by` length) or d (`by` width), beside that of the multiply-adds."""

    layer: str
    by: str
    theory: int
    seconds: float
    memory: float


class SelfAttention(nn.Module):
    """softmax(xxᵀ/√d) x: what attention itself costs, with the weights of all pairs held."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, place, width) → the same."""
        return dot_product_weights(x, x) @ x


def layer(name: str, width: int, *, kernel: int = KERNEL) -> nn.Module:
    """The layer, from `width` numbers to as many; inputs are (1, n, d), of a convolution (1, d, n)."""
    if name == "convolution":
        return nn.Conv1d(width, width, kernel, padding="same", bias=False)
    return nn.RNN(width, width, batch_first=True, bias=False) if name == "recurrent" else SelfAttention()


def serial_steps(name: str, length: int) -> int:
    """How many steps must follow each other, however many processors there are."""
    return length if name == "recurrent" else 1


def longest_path(name: str, length: int, *, kernel: int = KERNEL) -> int:
    """After how many layers, or steps, one place knows of the first vector and of the last."""
    if name == "convolution":
        return math.ceil((length - 1) / (kernel - 1))
    return length if name == "recurrent" else 1


def counted(name: str, length: int, width: int, *, kernel: int = KERNEL) -> tuple[int, int]:
    """(Multiply-adds of a forward pass, bytes in use in training beside weights and input); nothing is computed."""
    with torch.device("meta"):
        module, x = layer(name, width, kernel=kernel), _input(name, length, width).requires_grad_()
        forward, both = trace(module, [x], backward=False), trace(module, [x], backward=True)
    return sum(operation.multiply_adds for operation in forward.operations), both.peak - both.start


def measure(lengths: Sequence[int] = LENGTHS, widths: Sequence[int] = WIDTHS, *, kernel: int = KERNEL, turns: int = 7) -> list[Point]:
    """Every layer at every length with width WIDTH, and at every width with length LENGTH, on the CPU and one sequence."""
    sizes = sorted({(n, WIDTH) for n in lengths} | {(LENGTH, d) for d in widths})
    return [_point(name, n, d, kernel, turns) for name in LAYERS for n, d in sizes]


def fits(points: Sequence[Point]) -> list[Fit]:
    """Exponents by least squares of logarithms over the FITTED largest sizes; two are enough."""
    found = []
    for name in LAYERS:
        for axis, by in enumerate(("length", "width")):
            other, still = ("length", LENGTH) if axis else ("width", WIDTH)
            some = [p for p in points if p.layer == name and getattr(p, other) == still]
            line = sorted(some, key=lambda p: int(getattr(p, by)))[-FITTED:]
            if len(line) > 1:
                sizes = [float(getattr(p, by)) for p in line]
                found.append(Fit(name, by, THEORY[name][axis], exponent(sizes, [p.seconds for p in line]), exponent(sizes, [float(p.memory) for p in line])))
    return found


def exponent(sizes: Sequence[int | float], values: Sequence[int | float]) -> float:
    """The a of value ≈ c · sizeᵃ, by least squares of the logarithms."""
    x, y = [math.log(size) for size in sizes], [math.log(max(value, 1e-300)) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def _point(name: str, length: int, width: int, kernel: int, turns: int) -> Point:
    work, memory = counted(name, length, width, kernel=kernel)
    module, x = layer(name, width, kernel=kernel).eval(), _input(name, length, width)
    with torch.no_grad():
        seconds = shortest(lambda: module(x), turns=turns, seconds=0.5)
    return Point(name, length, width, work, memory, serial_steps(name, length), longest_path(name, length, kernel=kernel), seconds)


def _input(name: str, length: int, width: int) -> Tensor:
    return torch.zeros((1, width, length) if name == "convolution" else (1, length, width))
