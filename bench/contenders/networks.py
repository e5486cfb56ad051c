"""The networks of the races in plain PyTorch: LeNet's two forms (61,706 parameters), a 784-256-10 perceptron (203,530), and ResNet-18 for one colour."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def network(name: str) -> nn.Module:
    """A fresh network, from seed 0."""
    torch.manual_seed(0)
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    if name == "resnet18":
        return resnet18()
    if name in ("resnet18-224", "resnet50-224"):
        from torchvision import models

        return getattr(models, name.removesuffix("-224"))(num_classes=10)
    act, pool = (nn.Sigmoid, nn.AvgPool2d) if name == "lenet-original" else (nn.ReLU, nn.MaxPool2d)
    layers = [nn.Conv2d(1, 6, 5, padding=2), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2), nn.Flatten()]
    layers += [nn.Linear(400, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 10)]
    built = nn.Sequential(*layers)
    for layer in built:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
    return built


class Block(nn.Module):
    """Two 3×3 convolutions with batch norm, and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Half the height and width at stride 2."""
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet18() -> nn.Module:
    """He et al. 2016, table 1, for pictures of one colour and 10 classes."""
    stem = [nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    blocks = [
        Block(channels_in, channels, stride)
        for channels, before in ((64, 64), (128, 64), (256, 128), (512, 256))
        for channels_in, stride in ((before, 1 if channels == 64 else 2), (channels, 1))
    ]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
