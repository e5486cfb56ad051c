"""How large signals and gradients are in each layer, and which layer explodes or vanishes first.

A product of d factors grows or shrinks like a power: 1.5¹⁰⁰ ≈ 4·10¹⁷, 0.8¹⁰⁰ ≈ 2·10⁻¹⁰. Depth does the same to the gradient
∂L/∂h₁ = ∂L/∂h_d · ∂h_d/∂h_d₋₁ ⋯ ∂h₂/∂h₁.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Between these a float32 (and, with scaled losses, a float16) still holds both a signal and its small changes.
SMALLEST, LARGEST = 1e-6, 1e3


@dataclass(frozen=True)
class LayerScale:
    """Root mean squares of a layer's output, of the loss's gradient there, and of the layer's weights."""

    name: str
    activation: float
    gradient: float
    weight: float


def root_mean_square(x: npt.ArrayLike) -> float:
    """√(mean x²); 0 of an empty array."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(over="ignore"):  # an infinity is a finding, not a fault
        return float(np.sqrt(np.square(x).mean())) if x.size else 0.0


def layer_scales(layers: Mapping[str, tuple[Array, Array, Array]], *, examples: int | None = None) -> list[LayerScale]:
    """The scales of each layer's (output, gradient of the mean loss by the output, weight), in the order of calling.

    Gradients are multiplied by the number of `examples` in the batch, so that its size says nothing; None is the first axis of an output.
    """
    return [
        LayerScale(name, root_mean_square(output), root_mean_square(gradient) * (examples or len(output)), root_mean_square(weight))
        for name, (output, gradient, weight) in layers.items()
    ]


def diagnose(found: list[LayerScale]) -> str | None:
    """One sentence that names the first layer outside the healthy band 1e−6…1e3, or None where all is well.

    Signals are followed upwards from the input, gradients downwards from the loss. A gradient of exactly 0 in the topmost
    layer (a loss that is met) is no fault.
    """
    for layer in found:
        if said := outside(layer.activation):
            return _sentence("activations", said, layer.name, layer.activation)
    for layer in reversed(found) if found and found[-1].gradient else ():
        if said := outside(layer.gradient):
            return _sentence("gradients", said, layer.name, layer.gradient)
    for layer in found:
        if not layer.weight <= LARGEST:
            return f"weights explode in layer {layer.name} (root mean square {layer.weight:.3g})"
    return None


def outside(scale: float) -> str | None:
    """What is wrong with a root mean square: "explode", "vanish", "are no numbers (NaN)" or None."""
    if scale != scale:
        return "are no numbers (NaN)"
    return "explode" if scale > LARGEST else "vanish" if scale < SMALLEST else None


def number_range(dtype: npt.DTypeLike) -> tuple[float, float]:
    """The smallest normal and the largest number of a floating-point type: 6.104e−5 … 65504 for float16."""
    info = np.finfo(np.dtype(dtype))  # type: ignore[arg-type, unused-ignore]
    return float(info.smallest_normal), float(info.max)


def _sentence(what: str, said: str, name: str, scale: float) -> str:
    return f"{what} {said} first in layer {name} (root mean square {scale:.3g}; healthy is {SMALLEST:.0e}…{LARGEST:.0e})"
