"""The networks of the race in plain PyTorch: LeNet's two forms (61,706 parameters) and a 784-256-10 perceptron (203,530)."""

from __future__ import annotations

import torch
from torch import nn


def network(name: str) -> nn.Module:
    """A fresh network, from seed 0."""
    torch.manual_seed(0)
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    act, pool = (nn.Sigmoid, nn.AvgPool2d) if name == "lenet-original" else (nn.ReLU, nn.MaxPool2d)
    layers = [nn.Conv2d(1, 6, 5, padding=2), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2), nn.Flatten()]
    layers += [nn.Linear(400, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 10)]
    built = nn.Sequential(*layers)
    for layer in built:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
    return built
