"""Scales of signals and gradients, and what numbers can hold, from the bottom."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.nn import scale as fast
from sonde.scratch import stability as scratch
from sonde.scratch.stability import LayerScale, diagnose, layer_scales, number_range


def test_powers_of_the_depth():
    assert pytest.approx(4.0656e17, rel=1e-4) == 1.5**100
    assert pytest.approx(2.0370e-10, rel=1e-4) == 0.8**100


def test_the_range_of_half_precision():
    smallest, largest = number_range(np.float16)
    assert smallest == pytest.approx(6.104e-5, rel=1e-4) and largest == 65504
    assert number_range("float64")[0] == 2.0**-1022


@pytest.mark.parametrize(
    "layers",
    [
        [("a", 1.0, 1e-3, 0.1), ("b", 2.0, 1e-2, 0.1)],
        [("a", 1.0, 1.0, 0.1), ("b", 2e3, 1.0, 0.1), ("c", 1e9, 1.0, 0.1)],
        [("a", 1e-9, 1.0, 0.1)],
        [("a", 1.0, 1e-9, 0.1), ("b", 1.0, 1e-8, 0.1), ("c", 1.0, 1.0, 0.1)],
        [("a", 1.0, 0.0, 0.1), ("b", 1.0, 0.0, 0.1)],
        [("a", float("nan"), 1.0, 0.1)],
        [("a", 1.0, 1.0, 1e5)],
        [],
    ],
)
def test_the_same_diagnosis_as_in_training(layers):
    assert diagnose([LayerScale(*layer) for layer in layers]) == fast.diagnose([fast.LayerScale(*layer) for layer in layers])


def test_the_band_is_the_same():
    assert (scratch.SMALLEST, scratch.LARGEST) == (fast.SMALLEST, fast.LARGEST) == (1e-6, 1e3)


def test_a_deep_linear_network_is_found_out():
    for factor, verb in ((2.5, "activations explode first in layer layer8"), (0.2, "activations vanish first in layer layer9")):
        weight, h, layers = np.eye(4) * factor, np.ones((2, 4)), {}
        for depth in range(1, 21):
            h = h @ weight
            layers[f"layer{depth}"] = (h, np.ones((2, 4)), weight)
        assert verb in diagnose(layer_scales(layers))


def test_a_gradient_counts_for_one_example():
    found = layer_scales({"a": (np.ones((8, 2)), np.full((8, 2), 0.25), np.ones((2, 2)))})
    assert found == [LayerScale("a", 1.0, 2.0, 1.0)]
    assert layer_scales({"a": (np.full((1, 1), 1e300), np.zeros((0, 1)), np.ones(1))})[0].activation == np.inf
