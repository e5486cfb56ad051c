"""How large signals and gradients are in each layer, and which layer explodes or vanishes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Between these a float32 (and, with scaled losses, a float16) still holds both a signal and its small changes.
SMALLEST, LARGEST = 1e-6, 1e3


@dataclass(frozen=True)
class LayerScale:
    """Root mean squares of a layer's output, of the loss's gradient with respect to that output, and of its weights.

    The gradient is that of one example's own loss: the batch's is multiplied by its size, so that the size of a batch
    says nothing about health.
    """

    name: str
    activation: float
    gradient: float
    weight: float


def layer_scales(model: nn.Module, loss: Callable[[], Tensor], *, examples: int | None = None) -> list[LayerScale]:
    """The scales of all layers that have weights of their own, in the order in which they are called.

    `loss()` runs `model` on one batch of so many `examples` (None: the first axis of a layer's output, which in recurrent models may
    be steps) and gives its mean loss. Nothing remains of it: buffers (running statistics, counters),
    gradients and the generator of random numbers are as before.
    """
    layers = {module: name for name, module in model.named_modules() if name and _weights(module)}
    outputs: dict[str, Tensor] = {}

    def keep(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            outputs[layers[module]] = output

    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    handles = [module.register_forward_hook(keep) for module in layers]
    try:
        with torch.random.fork_rng(), torch.enable_grad():
            value = loss()
        gradients = torch.autograd.grad(value, list(outputs.values()), allow_unused=True) if outputs else ()
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(before[name])
    weights = {name: _weights(module)[0] for module, name in layers.items()}
    numbers = [
        torch.stack([_rms(output), _rms(gradient) * (examples or len(output)), _rms(weights[name])])
        for (name, output), gradient in zip(outputs.items(), gradients, strict=True)
    ]
    table = torch.stack(numbers).tolist() if numbers else []
    return [LayerScale(name, *row) for name, row in zip(outputs, table, strict=True)]


def diagnose(found: list[LayerScale]) -> str | None:
    """One sentence that names the first layer outside the healthy band 1e−6…1e3, or None where all is well.

    Signals are followed upwards from the input, gradients downwards from the loss. A gradient of exactly 0 in the
    topmost layer (a loss that is met) is no fault.
    """
    for layer in found:
        said = _outside(layer.activation)
        if said:
            return f"activations {said} first in layer {layer.name} (root mean square {layer.activation:.3g}; healthy is {SMALLEST:.0e}…{LARGEST:.0e})"
    if found and found[-1].gradient == 0:
        return None
    for layer in reversed(found):
        said = _outside(layer.gradient)
        if said:
            return f"gradients {said} first in layer {layer.name} (root mean square {layer.gradient:.3g}; healthy is {SMALLEST:.0e}…{LARGEST:.0e})"
    for layer in found:
        if not layer.weight <= LARGEST:
            return f"weights explode in layer {layer.name} (root mean square {layer.weight:.3g})"
    return None


def _outside(scale: float) -> str | None:
    if scale != scale:
        return "are no numbers (NaN)"
    if scale > LARGEST:
        return "explode"
    return "vanish" if scale < SMALLEST else None


def _weights(module: nn.Module) -> list[Tensor]:
    return [p for name, p in module.named_parameters(recurse=False) if name == "weight"]


def _rms(x: Tensor | None) -> Tensor:
    if x is None or not x.numel():
        return torch.zeros(())
    return x.detach().float().square().mean().sqrt().cpu()
