"""DeepLab v3 (Chen et al. 2017, "Rethinking atrous convolution for semantic image segmentation", sections 3.1 and 3.3).

A residual network whose last stages are dilated, then atrous spatial pyramid pooling: side by side a 1×1 convolution, three 3×3 ones with
spread kernels, and the mean of the whole picture. Logits are enlarged by bilinear interpolation. `deeplab-v3` (ResNet-50) and
`deeplab-v3-resnet101` have torchvision's form and state keys: maps of 1/8 of the size, rates 12, 24, 36 and an auxiliary classifier.
`deeplab-v3-small` stands on a narrow ResNet-18 at 1/16 with rates 6, 12, 18, as the paper has them there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.models import resnet
from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout
from sonde.nn.enlarge import to_size
from sonde.nn.fcn_head import fcn_head, keys_of_backbone, main_and_auxiliary
from sonde.nn.sizes import Stem


@dataclass(frozen=True)
class Config:
    """`blocks`, `bottleneck` and `width` are those of the ResNet; `replace_stride_with_dilation` too: at (False, True, True) maps have 1/8 of the size.

    `rates` of the spread kernels, `pyramid_width`: channels of each branch. `auxiliary`: whether there is the auxiliary classifier, which published
    weights have. `channels`, `size` (the longer side) and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    bottleneck: bool = True
    width: int = 64
    replace_stride_with_dilation: tuple[bool, bool, bool] = (False, True, True)
    rates: tuple[int, ...] = (12, 24, 36)
    pyramid_width: int = 256
    dropout: float = 0.5
    auxiliary: bool = True
    stem: Stem = "photo"


VARIANTS: dict[str, Config] = {
    "deeplab-v3": Config(),
    "deeplab-v3-resnet101": Config(blocks=(3, 4, 23, 3)),
    "deeplab-v3-small": Config(
        blocks=(2, 2, 2, 2), bottleneck=False, width=32, replace_stride_with_dilation=(False, False, True), rates=(6, 12, 18), pyramid_width=96,
        dropout=0.1, auxiliary=False,
    ),
}  # fmt: skip


class WholePicture(nn.Sequential):
    """The mean of each channel over the picture, 1×1 convolution, batch norm, ReLU, at every place. State keys `1` and `2`."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, out, 1, bias=False), BatchNorm(out), nn.ReLU())

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height width"]:
        pool, convolution, norm, relu = self
        assert isinstance(norm, BatchNorm)
        y = convolution(pool(x))
        if self.training and len(x) == 1:  # a single picture has one mean a channel and no spread: the running averages stand in
            y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
        else:
            y = norm(y)
        found: Tensor = relu(y).expand(-1, -1, x.shape[2], x.shape[3])
        return found


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: branches side by side, then a 1×1 convolution over all of them."""

    def __init__(self, channels: int, out: int, *, rates: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        spread = [_layers(nn.Conv2d(channels, out, 3, padding=rate, dilation=rate, bias=False)) for rate in rates]
        one = _layers(nn.Conv2d(channels, out, 1, bias=False))
        self.convs = nn.ModuleList([one, *spread, WholePicture(channels, out)])
        self.project = nn.Sequential(*_layers(nn.Conv2d(len(self.convs) * out, out, 1, bias=False)), Dropout(dropout))

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height width"]:
        y: Tensor = self.project(torch.cat([branch(x) for branch in self.convs], dim=1))
        return y


def _layers(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, BatchNorm(convolution.out_channels), nn.ReLU())


class DeepLabV3(nn.Module):
    """Backbone, pyramid with its head, and auxiliary head."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("backbone.conv1", "backbone.bn1"),
        **{f"stage{number}": (f"backbone.layer{number}",) for number in (1, 2, 3, 4)},
        "head": ("aux_classifier", "classifier"),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        table = resnet.Config(
            channels=config.channels, size=config.size, blocks=config.blocks, bottleneck=config.bottleneck, width=config.width, stem=config.stem,
            replace_stride_with_dilation=config.replace_stride_with_dilation,
        )  # fmt: skip
        self.backbone = resnet.ResNet(table, head=False)
        widths, out = self.backbone.widths, config.pyramid_width
        self.aux_classifier = fcn_head(widths[2], config.classes) if config.auxiliary else None
        self.classifiers = ("aux_classifier.4", "classifier.4") if config.auxiliary else ("classifier.4",)
        self.classifier = nn.Sequential(
            ASPP(widths[3], out, rates=config.rates, dropout=config.dropout),
            *_layers(nn.Conv2d(out, out, 3, padding=1, bias=False)),
            nn.Conv2d(out, config.classes, 1),
        )

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


def build(config: Config) -> DeepLabV3:
    """The model with fresh weights."""
    return DeepLabV3(config)
