"""The heads of segmenters on a residual network: 3×3 convolution, batch norm, ReLU, dropout, 1×1 to the classes; a main and an auxiliary one."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout
from sonde.nn.enlarge import to_size

# What the loss of the auxiliary classifier weighs beside the main one's, as in torchvision's training of these networks.
AUXILIARY_WEIGHT = 0.5


def fcn_head(channels: int, classes: int) -> nn.Sequential:
    """(batch, channel, height, width) to logits (batch, class, height, width); a quarter of the channels between, at least one.

    State keys are torchvision's: `0`, `1` and `4`.
    """
    between = max(1, channels // 4)
    return nn.Sequential(
        nn.Conv2d(channels, between, 3, padding=1, bias=False),
        BatchNorm(between),
        nn.ReLU(),
        Dropout(0.1),
        nn.Conv2d(between, classes, 1),
    )


def main_and_auxiliary(
    maps: Sequence[Tensor], pictures: Float[Tensor, "batch channel height width"], classifier: nn.Module, auxiliary: nn.Module | None
) -> tuple[Tensor, tuple[tuple[float, Tensor], ...]]:
    """Logits of each pixel from the last of a body's maps, and those of the auxiliary classifier, from the last but one, with the weight of their loss."""
    *_, middle, last = maps
    logits = to_size(classifier(last), pictures)
    return logits, () if auxiliary is None else ((AUXILIARY_WEIGHT, to_size(auxiliary(middle), pictures)),)


def keys_of_backbone(network: nn.Module) -> dict[str, str]:
    """Own names of the backbone's weights → their names in the classifier that the backbone is of."""
    return {name: name.removeprefix("backbone.") for name in network.state_dict() if name.startswith("backbone.")}
