"""Style transfer (Gatys, Ecker and Bethge 2016): a network whose only parameter is the picture.

    L = content · mean (F_c(x) − F_c(content))² + style · Σ_l mean (G_l(x) − G_l(style))² / layers + smooth · total variation

F_l are the maps that layer l of a network for pictures gives, which was trained on something else and stays as it is; G_l their Gram
matrix (ops/style.py). Style is read from the first convolution of each stage, content from the last one of the last stage but one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.nn.stages import HEAD, is_in, stages_of
from sonde.ops.style import content_loss, gram, style_loss, total_variation

Picture = Float[Tensor, "1 channel height width"]


@dataclass(frozen=True)
class Weighing:
    """How much each loss counts. More `style` than content paints more freely."""

    content: float = 1.0
    style: float = 20.0
    smooth: float = 10.0


class _Done(Exception):
    """All maps that are needed are there."""


@dataclass(frozen=True)
class Layers:
    """Names of the convolutions that style and content are read from."""

    style: tuple[str, ...]
    content: tuple[str, ...]
    known: tuple[str, ...] = field(default=(), repr=False)

    @staticmethod
    def of(network: nn.Module) -> Layers:
        """Those of a network with stages. Raises RecipeError for one without convolutions before its head."""
        found: dict[str, list[str]] = {}
        for stage, prefixes in stages_of(network).items():
            names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d) and is_in(name, prefixes)]
            if stage != HEAD and names:
                found[stage] = names
        if not found:
            what = "this network has no convolutions that style could be read from"
            raise RecipeError(what, where="--weights", remedy="use a network for pictures, such as vgg19 or resnet18")
        stages = list(found.values())
        return Layers(tuple(names[0] for names in stages), (stages[-2 if len(stages) > 1 else -1][-1],), tuple(name for names in stages for name in names))


@contextmanager
def recorded(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What the modules `names` give while the network runs; it is stopped as soon as all have spoken (`_Done`)."""
    maps: dict[str, Tensor] = {}
    hooks = []

    def keep(name: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            maps[name] = output
            if len(maps) == len(names):
                raise _Done

        return hook

    try:
        hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in names]  # type: ignore[arg-type]
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


class StyleTransfer(nn.Module):
    """`picture`, float in 0 … 255, is the parameter; `normalise` and `network` are fixed. `forward()` gives the losses by name."""

    def __init__(
        self,
        normalise: nn.Module,
        network: nn.Module,
        *,
        content: Picture,
        style: Float[Tensor, "1 channel style_height style_width"],
        layers: Layers,
        weighing: Weighing,
        start: Picture | None = None,
    ) -> None:
        super().__init__()
        self.fixed = (normalise.eval(), network.eval())  # in a tuple, so that their weights are none of this module's
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        self.layers, self.weighing = layers, weighing
        self.names = tuple(dict.fromkeys((*layers.style, *layers.content)))
        self.picture = nn.Parameter((content if start is None else start).clone())
        with torch.no_grad():
            shown, painted = self.maps(content), self.maps(style)
            self.content = {name: shown[name] for name in layers.content}
            self.grams = {name: gram(painted[name]) for name in layers.style}
            # Each layer's loss is a share of what it would be for the content, so that no layer of large numbers drowns the others.
            self.scale = {name: style_loss(shown[name], self.grams[name]).clamp(min=1e-12) for name in layers.style}
            self.strength = {name: maps.square().mean().clamp(min=1e-12) for name, maps in self.content.items()}

    def maps(self, picture: Picture) -> dict[str, Tensor]:
        """What the layers give for a picture."""
        normalise, network = self.fixed
        with recorded(network, self.names) as found:
            try:
                network(*normalise(picture))
            except _Done:
                pass
        return found

    def forward(self) -> dict[str, Float[Tensor, ""]]:
        """The three losses, each times its weight."""
        found, weighing = self.maps(self.picture), self.weighing
        content = torch.stack([content_loss(found[name], maps) / self.strength[name] for name, maps in self.content.items()]).mean()
        style = torch.stack([style_loss(found[name], grams) / self.scale[name] for name, grams in self.grams.items()]).mean()
        smooth = total_variation(self.picture) / 255
        return {"content": weighing.content * content, "style": weighing.style * style, "smooth": weighing.smooth * smooth}
