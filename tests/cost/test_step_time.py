"""Estimating a step: interpolation between what was measured, and the parts that a step is the sum of."""

from __future__ import annotations

import math
import time

import pytest

from sonde.cost.account import account
from sonde.cost.calibration import Clock, Sample, convolution_kind, convolution_shapes, first_shapes, logs, matrix_features
from sonde.cost.source import find
from sonde.cost.step_time import Calibration, Surface


def test_samples_are_met_and_a_power_law_is_carried_on() -> None:
    """Seconds that fall with the square root of a size are a plane in octaves, which reaches between and beyond the samples."""
    samples = [Sample("matrix", logs(1, n, n, m), n * n * m, n * n * m * 1e-10 / math.sqrt(n)) for n in (8, 32, 128, 512) for m in (8, 64, 512)]
    surface = Surface(samples)
    assert surface.seconds(samples[5].features, samples[5].work) == pytest.approx(samples[5].seconds, rel=0.15)
    assert surface.seconds(matrix_features(1, 64, 64, 100), 64 * 64 * 100) == pytest.approx(64 * 64 * 100 * 1e-10 / 8, rel=0.15)


def test_amounts_are_interpolated_on_a_line() -> None:
    surface = Surface([Sample("plain", logs(size), size, max(1e-6, size * 1e-9)) for size in (64, 1024, 2**20)])
    assert surface.seconds(logs(64), 64) == pytest.approx(1e-6)
    assert surface.seconds(logs(1), 1) == pytest.approx(1e-6)  # less work, the same call
    assert surface.seconds(logs(2**22), 2**22) == pytest.approx(2**22 * 1e-9, rel=1e-3)


def made(seconds: float) -> Calibration:
    """A machine on which everything goes on at one speed."""
    kinds = {f"{first}convolution{way}": 11 for first in ("", "first ") for way in ("", " backward")}
    kinds |= {"matrix": 4, "pool": 3, "pool backward": 3}
    samples = [Sample(kind, (float(i),) * size, 1.0, seconds) for kind, size in kinds.items() for i in (0, 8)]
    one = ("plain", "one", "function", "reduction", "strided", "softmax", "norm", "plain backward", "one backward", "strided backward", "norm backward")
    samples += [Sample(kind, (float(i),), 2.0**i, 2.0**i * seconds) for kind in one for i in (2, 10)]
    samples += [Sample(kind, (), 1, 0.0) for kind in ("call", "call backward", "view", "fresh")]
    samples += [Sample("update sgd", (float(many), 0.0), 1.0, 0.0) for many in (2, 60, 4)]
    return Calibration(tuple(samples))


@pytest.mark.parametrize("name", ["lenet", "resnet20", "mlp", "googlenet-paper"])
def test_every_operation_of_the_models_has_a_kind(name: str) -> None:
    bill = account(find(name), batch=2)
    slow, fast = made(2e-9).step(bill), made(1e-9).step(bill)
    assert slow == pytest.approx(2 * fast)
    assert fast > sum(operation.multiply_adds for operation in bill.operations) * 0.9e-9


def test_the_sample_of_shapes_is_fixed_and_spans_what_networks_are_made_of() -> None:
    shapes, first = convolution_shapes(), first_shapes()
    assert (shapes, first) == (convolution_shapes(), first_shapes())
    assert {kernel for _, _, kernel, *_ in (*shapes, *first)} == {1, 3, 5, 6, 7, 11}
    assert {stride for *_, stride, _ in shapes} >= {1, 2}
    assert min(channels for channels, *_ in shapes) > 3 and max(channels for channels, *_ in shapes) > 300
    assert {channels for channels, *_ in first} == {1, 3} and min(out for _, out, *_ in first) < 8
    assert any(groups > 1 for *_, groups in shapes)
    assert {convolution_kind(channels, groups) for channels, *_, groups in shapes} == {"convolution"}
    assert {convolution_kind(channels, groups) for channels, *_, groups in first} == {"first convolution"}


def test_the_clock_takes_the_median_and_looks_at_what_is_warm() -> None:
    clock, calls = Clock(), list[int]()
    for take in (clock.hot, clock.warm, clock.cold):
        calls.clear()
        assert 0 <= take(calls.append, 1) < 0.1
        assert len(calls) >= 4
    waits = iter((0.0, *(0.002, 0.03) * 10))
    assert 0.002 <= clock.hot(lambda: time.sleep(next(waits))) < 0.03
