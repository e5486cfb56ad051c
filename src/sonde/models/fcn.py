"""Fully convolutional networks (Long, Shelhamer & Darrell 2015): VGG-16 with its dense layers as convolutions, enlarged back to the picture.

FCN-32 enlarges the scores of the last map 32 times at once. FCN-16 doubles them, adds scores of the fourth block, and enlarges 16 times;
FCN-8 does the same once more with the third block. Doubling begins as bilinear interpolation and is learnt, the last enlargement stays
bilinear, scores begin at 0 (section 4.2).

Where the paper pads its pictures by 100 pixels and crops, the first convolution of the head is padded by 3 here, so that maps lie exactly
over the picture. State keys of the body are those of VGG's published weights, `features.…`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.models import vgg
from sonde.nn.dropout import Dropout
from sonde.nn.enlarge import Enlarge, whole
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import scaled


@dataclass(frozen=True)
class Config:
    """`stride` of the last enlargement. `blocks`, `batch_norm` and `scale` are VGG's, `dense`: channels of the two convolutions that
    stand for its dense layers.

    `channels`, `size` (the longer side) and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    stride: Literal[32, 16, 8] = 32
    blocks: tuple[int, int, int, int, int] = (2, 2, 3, 3, 3)
    batch_norm: bool = False
    dense: int = 4096
    dropout: float = 0.5
    scale: float = 1.0


VARIANTS: dict[str, Config] = {"fcn32": Config(stride=32), "fcn16": Config(stride=16), "fcn8": Config(stride=8)}


class FCN(nn.Module):
    """VGG's blocks (`features`), the convolutions of the head (`fc6`, `fc7`), and scores of three blocks at most (`score5`, `score4`, `score3`)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        table = vgg.Config(
            channels=config.channels, size=vgg.WHOLE, blocks=config.blocks, batch_norm=config.batch_norm, scale=config.scale
        )  # the pictures are padded to whole strides
        self.features, self.ends = vgg.body(table)
        self.stages = vgg.stages_of_body(self.features, self.ends)
        widths, dense = [scaled(width, config.scale) for width in vgg.WIDTHS], scaled(config.dense, config.scale)
        self.fc6, self.fc7 = nn.Conv2d(widths[4], dense, 7, padding=3), nn.Conv2d(dense, dense, 1)
        self.dropout = Dropout(config.dropout)
        classes = config.classes
        self.double4 = Enlarge(classes, 2, learnt=True) if config.stride <= 16 else None
        self.score4 = nn.Conv2d(widths[3], classes, 1) if config.stride <= 16 else None
        self.double3 = Enlarge(classes, 2, learnt=True) if config.stride <= 8 else None
        self.score3 = nn.Conv2d(widths[2], classes, 1) if config.stride <= 8 else None
        self.score5 = nn.Conv2d(dense, classes, 1)
        self.enlarge = Enlarge(classes, config.stride, learnt=False)
        named = [name for name, layer in self.named_children() if name != "features" and layer is not None]
        self.stages["head"] = tuple(name for name in named if name not in ("dropout", "enlarge"))
        self.classifiers = tuple(name for name in self.stages["head"] if name not in ("fc6", "fc7"))
        initialise_relu_network(self, last=self.score5)
        for score in (self.score5, self.score4, self.score3):
            if score is not None:
                nn.init.zeros_(score.weight)

    def body_keys(self) -> dict[str, str]:
        """The five blocks bear the names that they have in VGG."""
        return {name: name for name in self.state_dict() if name.startswith("features.")}

    def forward(self, pictures: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class height width"]:
        """Logits of each pixel; pictures of any size, which are padded to multiples of 32."""
        third, fourth, fifth = self._maps(whole(pictures, vgg.WHOLE))
        x = self.dropout(F.relu(self.fc6(fifth)))
        x = self.score5(self.dropout(F.relu(self.fc7(x))))
        for double, score, skipped in ((self.double4, self.score4, fourth), (self.double3, self.score3, third)):
            if double is not None and score is not None:
                x = double(x) + score(skipped)
        logits: Tensor = self.enlarge(x)
        return logits[:, :, : pictures.shape[2], : pictures.shape[3]]

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What blocks 3, 4 and 5 give."""
        _, _, third, fourth, fifth = self.ends
        three = self.features[:third](x)
        four = self.features[third:fourth](three)
        return three, four, self.features[fourth:fifth](four)


def build(config: Config) -> FCN:
    """The model with fresh weights."""
    return FCN(config)
