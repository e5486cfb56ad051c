"""Fully convolutional networks on dilated ResNets (Long et al. 2015; Chen et al. 2017), as torchvision has them, with its state keys.

The last two stages keep 1/8 of the size and spread their kernels instead. A head on the last one gives logits, another on the third is an
auxiliary classifier that training hears with half the weight; both are enlarged to the picture's size by bilinear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from sonde.models import resnet
from sonde.nn.enlarge import to_size
from sonde.nn.fcn_head import fcn_head, keys_of_backbone, main_and_auxiliary
from sonde.nn.sizes import Stem


@dataclass(frozen=True)
class Config:
    """`blocks` and `width` are those of the ResNet with bottlenecks. `channels`, `size` (the longer side) and `classes` come from the data.

    `auxiliary`: whether there is the auxiliary classifier, which published weights have. `stem` as in `resnet`; here `photo` is the default.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    width: int = 64
    auxiliary: bool = True
    stem: Stem = "photo"


VARIANTS: dict[str, Config] = {"fcn-resnet50": Config(), "fcn-resnet101": Config(blocks=(3, 4, 23, 3))}


class FCNResNet(nn.Module):
    """Backbone, head, and auxiliary head."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("backbone.conv1", "backbone.bn1"),
        **{f"stage{number}": (f"backbone.layer{number}",) for number in (1, 2, 3, 4)},
        "head": ("aux_classifier", "classifier"),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        table = resnet.Config(
            channels=config.channels, size=config.size, blocks=config.blocks, bottleneck=True, width=config.width, stem=config.stem,
            replace_stride_with_dilation=(False, True, True),
        )  # fmt: skip
        self.backbone = resnet.ResNet(table, head=False)
        widths = self.backbone.widths
        self.aux_classifier = fcn_head(widths[2], config.classes) if config.auxiliary else None
        self.classifiers = ("aux_classifier.4", "classifier.4") if config.auxiliary else ("classifier.4",)
        self.classifier = fcn_head(widths[3], config.classes)

    def body_keys(self) -> dict[str, str]:
        """The backbone's weights are a classifier's of the same name without `backbone.`."""
        return keys_of_backbone(self)

    def forward(self, pictures: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class height width"]:
        """Logits of each pixel."""
        logits: Tensor = self.classifier(self.backbone.maps(pictures)[3])
        return to_size(logits, pictures)

    def all_outputs(self, pictures: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, tuple[tuple[float, Tensor], ...]]:
        """Logits, and the auxiliary ones with the weight of their loss, for training."""
        return main_and_auxiliary(self.backbone.maps(pictures), pictures, self.classifier, self.aux_classifier)


def build(config: Config) -> FCNResNet:
    """The model with fresh weights."""
    return FCNResNet(config)
