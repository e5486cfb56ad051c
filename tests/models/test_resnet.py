"""Residual networks: published keys, blocks that start as the identity, stems, depth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sonde import models
from sonde.models.preresnet import Block as PreBlock
from sonde.models.resnet import BasicBlock, Bottleneck
from sonde.models.resnet_cifar import Block


def test_stems() -> None:
    sizes = {"channels": 3, "classes": 4, "width": 8, "blocks": (1, 1, 1, 1)}
    photo, small = models.build("resnet18", sizes | {"size": 65}), models.build("resnet18", sizes | {"size": 64})
    assert (tuple(photo.conv1.weight.shape), tuple(small.conv1.weight.shape)) == ((8, 3, 7, 7), (8, 3, 3, 3))
    assert set(photo.state_dict()) == set(small.state_dict())
    assert isinstance(small.pool, nn.Identity)
    assert models.build("resnet18", sizes | {"size": 32, "stem": "photo"}).conv1.stride == (2, 2)
    assert models.build("resnet18", sizes | {"size": 224, "stem": "small"}).conv1.stride == (1, 1)


@pytest.mark.parametrize("block", [BasicBlock(8, 8, stride=1), Bottleneck(32, 8, stride=1)])
def test_a_zero_last_scale_makes_a_block_the_identity(block: nn.Module) -> None:
    last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
    nn.init.zeros_(last.weight)
    x = torch.rand(2, block.conv1.in_channels, 5, 5)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_zero_last_is_an_option(name: str) -> None:
    sizes = {"channels": 3, "size": 32, "classes": 4, "width": 8, "blocks": (1, 1, 1, 1)}
    last = "bn2" if name == "resnet18" else "bn3"
    on, off = models.build(name, sizes), models.build(name, sizes | {"zero_last": False})
    assert on.state_dict()[f"layer1.0.{last}.weight"].tolist() == [0] * (8 if name == "resnet18" else 32)
    assert off.state_dict()[f"layer1.0.{last}.weight"].min() == 1


def test_shortcut_without_parameters_takes_every_second_pixel_and_pads_channels() -> None:
    block = Block(2, 4, stride=2)
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(1, 2, 4, 4)
    y = block(x)
    assert y.shape == (1, 4, 2, 2)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert y[:, [0, 3]].abs().max() == 0


def test_keys_of_the_small_form() -> None:
    keys = set(models.build("resnet20", {"channels": 3, "size": 32, "classes": 10}).state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer3.2.bn2.bias", "linear.weight", "linear.bias"} <= keys
    assert len(keys) == 19 + 19 * 5 + 2  # convolutions, batch norms, the dense layer


def test_pre_activation_passes_signal_and_gradient_unchanged() -> None:
    block = PreBlock(4, 4, stride=1, bottleneck=False)
    nn.init.zeros_(block.convs[-1].weight)
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    y = block(x)
    assert torch.equal(y, x)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.ones_like(x))


def _loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(images), labels)


def test_a_thousand_and_one_layers_train() -> None:
    torch.manual_seed(0)
    model = models.build("preresnet1001", {"channels": 1, "size": 8, "classes": 2, "width": 2})
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and "shortcut" not in str(m)]
    shortcuts = sum(1 for name, _ in model.named_modules() if name.endswith("shortcut"))
    assert len(layers) - shortcuts == 1001
    images, labels = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 0, 1, 1, 0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    first = _loss(model, images, labels)
    for _ in range(12):
        optimizer.zero_grad()
        loss = _loss(model, images, labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.5 * first
    assert model.conv1.weight.grad.abs().max() > 1e-6
