"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B).

`lenet` has ReLU and max pooling; `lenet-original` sigmoids and average pooling, the form that courses teach as the
original (the paper's pooling had weights and its output radial basis functions). Both have 61,706 parameters at
28×28×1 and 10 classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.activation import Activation, activation
from sonde.nn.convolution_pool import ConvolutionPool
from sonde.nn.initialise import initialise
from sonde.ops.pooling import Pooling


@dataclass(frozen=True)
class Config:
    """`channels`, `size` (height and width in pixels) and `classes` come from the data; 28 is the smallest `size` of the paper."""

    channels: int = 0
    size: int = 0
    classes: int = 0
    activation: Activation = "relu"
    pooling: Pooling = "max"


VARIANTS: dict[str, Config] = {
    "lenet": Config(),
    "lenet-original": Config(activation="sigmoid", pooling="average"),
}

class LeNet(nn.Module):
    """Two convolutions with pooling, three dense layers."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"stem": ("conv1",), "stage1": ("conv2",), "head": ("fc1", "fc2", "fc3")}

    def __init__(self, config: Config) -> None:
        super().__init__()
        side = (config.size // 2 - 4) // 2
        self.conv1 = ConvolutionPool(config.channels, 6, 5, padding=2, act=config.activation, pooling=config.pooling)
        self.conv2 = ConvolutionPool(6, 16, 5, act=config.activation, pooling=config.pooling)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, config.classes)
        self.activation = activation(config.activation)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2, self.fc3):
            initialise(layer.weight, "he-normal" if config.activation == "relu" and layer is not self.fc3 else "xavier-uniform")
            nn.init.constant_(layer.get_parameter("bias"), 0)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images of the Config's size to logits."""
        x = self.conv2(self.conv1(images))
        x = self.activation(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc3(self.activation(self.fc2(x)))
        return logits


def smallest(config: Config) -> int:
    """The least size: below, a 5×5 kernel no longer fits after the first pooling."""
    return 12


def build(config: Config) -> LeNet:
    """The model with fresh weights."""
    return LeNet(config)
