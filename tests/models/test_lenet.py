"""LeNet in both forms, its pooling, and the sizes that it cannot read."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from sonde import models
from sonde.errors import RecipeError


def test_pooling_facts() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    assert F.max_pool2d(x, 2, 1)[0, 0].tolist() == [[4, 5], [7, 8]]
    assert F.avg_pool2d(x, 2, 1)[0, 0].tolist() == [[2, 3], [5, 6]]
    channels = torch.cat([x, -x], dim=1)
    assert F.max_pool2d(channels, 2, 1)[0, 1].tolist() == [[0, -1], [-3, -4]]


def test_forms() -> None:
    sizes = {"channels": 1, "size": 28, "classes": 10}
    modern, original = models.build("lenet", sizes), models.build("lenet-original", sizes)
    x = torch.rand(2, 1, 28, 28)
    for model, act, pool in ((modern, F.relu, F.max_pool2d), (original, torch.sigmoid, F.avg_pool2d)):
        y = pool(act(F.conv2d(x, model.conv1.weight, model.conv1.bias, padding=2)), 2)
        y = pool(act(F.conv2d(y, model.conv2.weight, model.conv2.bias)), 2)
        torch.testing.assert_close(model(x), model.fc3(act(model.fc2(act(model.fc1(y.flatten(1)))))))
    assert [tuple(p.shape) for p in modern.parameters()] == [tuple(p.shape) for p in original.parameters()]
    assert tuple(modern.fc1.weight.shape) == (120, 400)  # 48,000 weights
    assert modern.fc1.weight.numel() == 48_000


@pytest.mark.parametrize("size", [12, 13, 27, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_channels(size: int, channels: int) -> None:
    model = models.build("lenet", {"channels": channels, "size": size, "classes": 4})
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 4)


def test_too_small_pictures_are_refused_with_the_smallest_size() -> None:
    message = r"lenet cannot read pictures of 11×11: its layers leave something only of 12×12 or more\n.*--size 12 or larger"
    with pytest.raises(RecipeError, match=message):
        models.build("lenet", {"channels": 1, "size": 11, "classes": 4})
