"""What inside a network answers to a picture: the output of each stage, and the places that speak for a class.

Grad-CAM (Selvaraju et al. 2017, section 3): of the last stage's output A (channel k, place) and a class's score y_c,
α_k = mean over places of ∂y_c/∂A_k, and the map is max(Σ_k α_k A_k, 0). A network without such a stage (a dense one) gets the
map of Simonyan et al. (2014, section 3): the largest |∂y_c/∂x| over the channels of each pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.nn.stages import HEAD, stages_of

Method = Literal["grad-cam", "gradient", "none"]
Scores = Callable[[Tensor], Tensor]


@torch.no_grad()
def stage_outputs(network: nn.Module, run: Callable[[], object]) -> dict[str, Tensor]:
    """The output of every stage before the head that is a picture, (example, channel, height, width), while `run()` calls the network.

    Where a stage runs more than once, as for several views of a picture, its first output counts.
    """
    return {stage: output for stage, (_, output) in _recorded(network, run).items()}


def saliency(
    network: nn.Module, scores: Scores, images: Tensor, classes: Int[Tensor, example]
) -> tuple[Float[Tensor, "example height width"], Method, str]:
    """For each of `images` (as `scores` takes them) the map of its class, in 0 … 1 at the picture's size, the method and the stage.

    `scores(images)` gives (example, class) through `network`. A map without any evidence is 0 everywhere. Where the scores are
    no smooth function of the pixels, as those of visual words, the method is `none`.
    """
    with torch.no_grad():
        found = _recorded(network, lambda: scores(images))
    wide = [(stage, module) for stage, (module, output) in found.items() if output[0, 0].numel() > 1]
    if not wide:
        gradient = _gradient(scores, images, classes)
        if gradient is None:
            return torch.zeros(len(images), *images.shape[-2:]), "none", ""
        return _scaled(gradient), "gradient", ""
    stage, module = wide[-1]
    maps = F.interpolate(grad_cam(module, scores, images, classes)[:, None], images.shape[-2:], mode="bilinear", align_corners=False)
    return _scaled(maps[:, 0]), "grad-cam", stage


def grad_cam(
    module: nn.Module, scores: Scores, images: Tensor, classes: Int[Tensor, example]
) -> Float[Tensor, "example height width"]:
    """max(Σ_k α_k A_k, 0) for the output A of `module` and the score of each example's class, at the size of A."""
    kept: list[Tensor] = []

    def begin_here(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        if kept:
            return None
        kept.append(output.detach().requires_grad_())
        return kept[0].clone()  # what follows may work in place

    handle = module.register_forward_hook(begin_here)
    try:
        with torch.enable_grad():
            chosen = scores(images).gather(1, classes[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, kept)
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * kept[0].detach()).sum(1).clamp(min=0).float()


def _gradient(scores: Scores, images: Tensor, classes: Tensor) -> Tensor | None:
    """The largest |∂y_c/∂x| over the channels, (example, height, width); None where the scores have no gradient."""
    x = images.detach().float().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(scores(x).gather(1, classes[:, None]).sum(), [x], allow_unused=True)
    return None if gradient is None else gradient.abs().amax(1).float()


def _scaled(maps: Tensor) -> Tensor:
    largest = maps.flatten(1).amax(1)[:, None, None]
    return torch.where(largest > 0, maps / largest, 0.0)


def _recorded(network: nn.Module, run: Callable[[], object]) -> dict[str, tuple[nn.Module, Tensor]]:
    """Of each stage before the head the module that was the last to end, and its first output, where that is a picture."""
    outputs: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            outputs.setdefault(module, output.detach())

    stages = {stage: [_module(network, prefix) for prefix in prefixes] for stage, prefixes in stages_of(network).items() if stage != HEAD}
    with _hooked({module for modules in stages.values() for module in modules}, keep):
        run()
    order = list(outputs)
    found = {}
    for stage, modules in stages.items():
        called = [module for module in order if module in modules]
        if called:
            found[stage] = (called[-1], outputs[called[-1]])
    return found


def _module(network: nn.Module, name: str) -> nn.Module:
    """The module of this name, or the one that holds the parameter of this name."""
    try:
        return network.get_submodule(name)
    except AttributeError:
        return network.get_submodule(name.rpartition(".")[0])


@contextmanager
def _hooked(modules: set[nn.Module], hook: Callable[[nn.Module, object, object], None]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
