"""How fast this machine does the operations of neural networks: a fixed sample of shapes, each run a few times.

The sample is drawn once and for all from ranges that networks are made of (channels, kernels, picture sizes, batches); no network is run. Forward
operations find their inputs where the operation before left them, in the cache, and write to memory that the cache has long forgotten, as what they
give is kept for the backward pass; backward ones come back to what was made long ago, so all of it is out of the cache.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.cost.probes import MEGA
from sonde.optim import optimizers

Features = tuple[float, ...]
LANES = 16  # float32 numbers of the widest vectors, and the channels that kernels are written for
aten = torch.ops.aten


@dataclass(frozen=True)
class Sample:
    """One measurement: the kind of operation, its features, its work (multiply-adds; bytes moved where there are none), seconds."""

    kind: str
    features: Features
    work: int | float
    seconds: float


def logs(*sizes: int | float) -> Features:
    """Octaves: what multiplies becomes a distance."""
    return tuple(math.log2(max(size, 1)) for size in sizes)


def convolution_features(channels: int, out: int, area: int, places: int, batch: int, stride: int, groups: int) -> Features:
    """What the speed of a convolution depends on; `channels` and `out` are those of one group.

    Beside the sizes: what is lost where channels do not fill vectors of 16, multiply-adds a number, and the larger of input and output. With these
    three a measurement that is left out is foretold from the others to 0.48 and 0.51 octaves, forward and backward, without them to 0.67 and 0.71.
    """
    lost = [2 * math.log2(math.ceil(size / LANES) * LANES / size) for size in (channels, out)]
    read, written = batch * places * channels * groups * stride**2, batch * places * out * groups
    dense = written * channels * area / (read + written + channels * out * area * groups)
    return (*logs(channels, out, area, places, batch, stride, groups), *lost, math.log2(dense), math.log2(max(read, written)))


def matrix_features(many: int, rows: int, inner: int, columns: int) -> Features:
    """`many` products of (rows × inner) and (inner × columns)."""
    return logs(many, rows, inner, columns)


def samples() -> Iterator[Sample]:
    """All measurements, one after the other; a minute or so on two cores."""
    clock = Clock()
    for measure in (_convolutions, _matrices, _elementwise, _pools, _attention, _recurrent, _updates, _calls):
        yield from measure(clock)


class Clock:
    """Takes times: the median of several runs, as a step is made of typical ones."""

    def __init__(self) -> None:
        self.other = torch.ones(32 * MEGA)

    def hot(self, run: Callable[..., object], *given: Any) -> float:
        """Seconds of `run(*given)` when it has just run: all that it touches is in the cache."""
        return self._median(run, given, lambda: None)

    def warm(self, run: Callable[..., object], *given: Any) -> float:
        """The same when what is given has just been made, and the cache holds something else besides."""

        def before() -> None:
            self.other.add_(1)
            for each in given:
                if isinstance(each, Tensor):
                    each.detach().sum()

        return self._median(run, given, before)

    def cold(self, run: Callable[..., object], *given: Any) -> float:
        """The same when the cache is full of something else."""
        return self._median(run, given, lambda: self.other.add_(1))

    def _median(self, run: Callable[..., object], given: tuple[Any, ...], before: Callable[[], object]) -> float:
        run(*given)
        times: list[float] = []
        began = time.perf_counter()
        while len(times) < 3 or (len(times) < 11 and time.perf_counter() - began < 0.08):
            before()
            started = time.perf_counter()
            run(*given)
            times.append(time.perf_counter() - started)
        return statistics.median(times)


def _spread(number: int, dimensions: int) -> list[float]:
    """The point `number` of a sequence that fills [0, 1)ᵈ evenly: multiples of powers of the generalised golden ratio (M. Roberts 2018)."""
    ratio = 2.0
    for _ in range(30):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    return [(0.5 + (number + 1) * ratio ** -(i + 1)) % 1.0 for i in range(dimensions)]


FEW = 3  # channels of a first layer: grey or coloured pictures
Shape = tuple[int, int, int, int, int, int, int]


def convolution_shapes(count: int = 96) -> list[Shape]:
    """(Channels, outputs, kernel, side of the output, batch, stride, groups): the fixed sample, of 2¹⁹ to 2³¹ multiply-adds each."""
    found: list[Shape] = []
    number = 0
    while len(found) < count:
        a, b, c, d, e, f, g = _spread(number, 7)
        number += 1
        kernel = (1, 1, 3, 3, 3, 3, 5, 7)[int(c * 8)]
        channels = _channels(a, g)
        groups = channels if g > 0.95 else 1
        out = channels if groups > 1 else _channels(b, g)
        found += _fitting((channels, out, kernel, round(2 ** (0.6 + 6.2 * d)), round(2 ** (8 * e)), 1 if f < 0.75 else 2, groups))
    return found


def first_shapes(count: int = 40) -> list[Shape]:
    """The same for first layers, of few channels: kernels are larger, batches too, and nobody takes a gradient."""
    found: list[Shape] = []
    number = 0
    while len(found) < count:
        a, b, c, d, e, f = _spread(number, 6)
        number += 1
        kernel = (3, 3, 5, 6, 7, 11)[int(c * 6)]
        stride = 4 if kernel == 11 else 1 if f < 0.6 else 2
        found += _fitting(((1, FEW)[int(2 * a)], _channels(0.7 * b, e), kernel, round(2 ** (3 + 4 * d)), round(2 ** (3 + 9 * e)), stride, 1))
    return found


def _fitting(shape: Shape) -> list[Shape]:
    """The shape where it is neither too small nor too large to be run a few times, else none."""
    channels, out, kernel, side, batch, stride, groups = shape
    work = batch * side * side * out * (channels // groups) * kernel * kernel
    largest = 4 * batch * max(channels * (side * stride) ** 2, out * side * side)
    return [shape] if 2**19 <= work <= 2**31 and largest <= 128 * MEGA and kernel <= 2 * side + 1 else []


def _channels(share: float, odd: float) -> int:
    """From 4 to 512, mostly whole sixteens, as networks have them."""
    size = 2 ** (2 + 7 * share)
    return round(size) if odd < 0.1 or size < 12 else 16 * max(1, round(size / 16))


def _convolutions(clock: Clock) -> Iterator[Sample]:
    for channels, out, kernel, side, batch, stride, groups in (*convolution_shapes(), *first_shapes()):
        x, w = torch.rand(batch, channels, side * stride, side * stride), torch.rand(out, channels // groups, kernel, kernel)
        rest = ([stride] * 2, [kernel // 2] * 2, [1, 1], False, [0, 0], groups)
        y: Tensor = aten.convolution(x, w, None, *rest)
        features = convolution_features(channels // groups, out // groups, kernel**2, y.shape[2] * y.shape[3], batch, stride, groups)
        work = y.numel() * math.prod(w.shape[1:])
        kind = convolution_kind(channels, groups)
        yield Sample(kind, features, work, clock.warm(aten.convolution, x, w, None, *rest))
        both = kind == "convolution"  # a first layer has nobody to pass a gradient on to
        seconds = clock.cold(aten.convolution_backward, torch.rand_like(y), x, w, None, *rest, [both, True, False])
        yield Sample(f"{kind} backward", features, work * (1 + both), seconds)


def convolution_kind(channels: int, groups: int) -> str:
    """Convolutions of few channels are run by other kernels than the rest."""
    return "first convolution" if channels <= FEW and groups == 1 else "convolution"


def _matrices(clock: Clock) -> Iterator[Sample]:
    for number in range(40):
        rows, inner, columns = (round(2 ** (2 + 10 * each)) for each in _spread(number, 3))
        if 2**12 <= rows * inner * columns <= 2**31:
            a, b = torch.rand(rows, inner), torch.rand(columns, inner).t()
            yield Sample("matrix", matrix_features(1, rows, inner, columns), rows * inner * columns, clock.warm(torch.mm, a, b))
    for number in range(12):
        rows, inner, columns = (round(2 ** (3 + 5 * each)) for each in _spread(number, 3))
        c, d = torch.rand(64, rows, inner), torch.rand(64, columns, inner).transpose(1, 2)
        yield Sample("matrix", matrix_features(64, rows, inner, columns), 64 * rows * inner * columns, clock.warm(torch.bmm, c, d))


# kind → what is run on (x, y) of one shape, and the bytes that it moves as operations.py counts them, in arrays of that shape.
_ELEMENTWISE: dict[str, tuple[Callable[[Tensor, Tensor], object], float]] = {
    "plain": (torch.add, 3),
    "one": (lambda x, y: torch.relu(x), 2),
    "function": (lambda x, y: torch.tanh(x), 2),
    "reduction": (lambda x, y: x.sum((0, 2, 3)), 1),
    "strided": (lambda x, y: torch.maximum(x[..., ::2, ::2], x[..., ::2, 1::2]), 0.75),
    "softmax": (lambda x, y: torch.log_softmax(x.flatten(1), 1), 2),
    "norm": (lambda x, y: F.batch_norm(x, None, None, None, None, True), 2),
    "plain backward": (torch.add, 3),
    "one backward": (lambda x, y: aten.threshold_backward(x, y, 0), 3),
    "strided backward": (lambda x, y: x[..., ::2, ::2].copy_(y[..., ::2, ::2]), 0.75),
}


def _elementwise(clock: Clock) -> Iterator[Sample]:
    for power in range(4, 25, 2):
        side = 4 if power < 12 else 16
        channels = min(64, max(1, 2 ** (power - 10)))
        x = torch.rand(max(1, 2**power // (side * side * channels)), channels, side, side)
        y, size = torch.rand_like(x), 4 * x.numel()
        for name, (run, arrays) in _ELEMENTWISE.items():
            take = clock.hot if power <= 12 else clock.cold if name.endswith("backward") else clock.warm
            yield Sample(name, logs(arrays * size), arrays * size, take(run, x, y))
        weight = torch.ones(channels)
        _, mean, inverse = torch.native_batch_norm(x, weight, weight, None, None, True, 0.1, 1e-5)
        given = (y, x, weight, None, None, mean, inverse, True, 1e-5, [True] * 3)
        take = clock.cold if power > 12 else clock.hot
        yield Sample("norm backward", logs(3 * size), 3 * size, take(aten.native_batch_norm_backward, *given))


def _pools(clock: Clock) -> Iterator[Sample]:
    for kernel, stride in ((2, 2), (3, 2), (3, 1)):
        for batch, channels, side in ((1, 16, 8), (8, 16, 28), (32, 64, 16), (32, 64, 56), (64, 32, 28), (64, 256, 4)):
            x, rest = torch.rand(batch, channels, side, side), ([kernel] * 2, [stride] * 2, [kernel // 2 if kernel == 3 else 0] * 2, [1, 1], False)
            y, places = aten.max_pool2d_with_indices(x, *rest)
            features, work = logs(y.numel(), kernel**2, stride), y.numel() * kernel**2
            yield Sample("pool", features, work, clock.warm(aten.max_pool2d_with_indices, x, *rest))
            given = (torch.rand_like(y), x, *rest, places)
            yield Sample("pool backward", features, work, clock.cold(aten.max_pool2d_with_indices_backward, *given))


def _gradients(y: Tensor, by: list[Tensor]) -> object:
    return torch.autograd.grad(y, by, retain_graph=True)


def _attention(clock: Clock) -> Iterator[Sample]:
    for batch, heads, length, size in ((1, 4, 64, 32), (8, 8, 64, 64), (8, 8, 256, 64), (2, 12, 512, 64), (32, 4, 128, 32), (64, 8, 32, 16)):
        q, k, v = (torch.rand(batch, heads, length, size, requires_grad=True) for _ in range(3))
        features, work = matrix_features(batch * heads, length, size, length), 2 * batch * heads * length * length * size
        with torch.no_grad():
            yield Sample("attention", features, work, clock.warm(F.scaled_dot_product_attention, q, k, v))
        y = F.scaled_dot_product_attention(q, k, v).sum()
        yield Sample("attention backward", features, 2.5 * work, clock.cold(_gradients, y, [q, k, v]))


def _recurrent(clock: Clock) -> Iterator[Sample]:
    for batch, length, size, hidden in ((1, 32, 64, 64), (32, 16, 64, 64), (32, 32, 128, 256), (16, 64, 256, 512), (64, 16, 32, 128)):
        layer, x = nn.LSTM(size, hidden, batch_first=True), torch.rand(batch, length, size, requires_grad=True)
        features, work = matrix_features(length, batch, size + hidden, 4 * hidden), batch * length * (size + hidden) * 4 * hidden
        with torch.no_grad():
            yield Sample("recurrent", features, work, clock.warm(layer, x))
        yield Sample("recurrent backward", features, 2 * work, clock.cold(_gradients, layer(x)[0].sum(), [x, *layer.parameters()]))


def _updates(clock: Clock) -> Iterator[Sample]:
    """Updates of few and of many small weights, and of large ones; features are tensors and numbers, as they are."""
    for name in optimizers.OPTIMIZERS:
        for many, size in ((2, 16), (60, 16), (4, 1_000_000)):
            module = nn.ParameterList(nn.Parameter(torch.rand(size, 1)) for _ in range(many))
            for weight in module:
                weight.grad = torch.rand_like(weight)
            update = optimizers.build(name, module, lr=1e-6)
            yield Sample(f"update {name}", (float(many), float(many * size)), many * size, clock.cold(update.step))


def _calls(clock: Clock) -> Iterator[Sample]:
    """What calling costs beside the work: a long chain of layers on one number, forward and backward; seeing a tensor otherwise; new memory."""
    chain, x = nn.Sequential(*[nn.LeakyReLU() for _ in range(100)]), torch.ones(16, requires_grad=True)
    bare = clock.hot(lambda: [aten.relu(x.detach()) for _ in range(100)])
    yield Sample("call", (), 1, max(0.0, clock.hot(chain, x) - bare) / 100)
    yield Sample("call backward", (), 1, max(0.0, clock.hot(_gradients, chain(x).sum(), [x]) - bare) / 100)
    yield Sample("view", (), 1, clock.hot(lambda: [x.view(4, 4) for _ in range(100)]) / 100)
    kept = torch.empty(16 * MEGA)
    turns = [clock.hot(lambda: torch.empty(16 * MEGA).fill_(1.0)) - clock.hot(kept.fill_, 1.0) for _ in range(5)]
    yield Sample("fresh", (), 1, max(0.0, statistics.median(turns)) / (64 * MEGA))
