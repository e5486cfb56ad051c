"""airbench: a whitening that whitens, an identity start, views of the same picture, and a start before the first step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sonde import fit, models
from sonde.models.airbench import EPSILON, Airbench, Whitening
from sonde.recipe import Recipe
from sonde.run import Run

SMALL = {"channels": 3, "size": 32, "classes": 10, "widths": (8, 16, 16)}


def pictures(count: int, *, channels: int = 3, size: int = 12, seed: int = 0) -> torch.Tensor:
    """Noise whose neighbours are alike, in colours that depend on one another."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, channels, size + 2, size + 2, generator=generator)
    mix = torch.randn(channels, channels, generator=generator)
    return torch.einsum("dc,bchw->bdhw", mix, F.avg_pool2d(noise, 3, stride=1))


def build(**config: object) -> Airbench:
    torch.manual_seed(0)
    built = models.build("airbench94", {**SMALL, **config})
    assert isinstance(built, Airbench)
    return built


def test_patches_come_out_white_and_negated() -> None:
    whiten, x = Whitening(3).double(), pictures(60).double()
    whiten.fit([x[:25], x[25:]])
    y = whiten(x)
    assert y.shape == (60, 24, 11, 11)
    torch.testing.assert_close(y[:, :12], -y[:, 12:])
    rows = y[:, :12].transpose(0, 1).flatten(1)
    covariance = rows @ rows.T / rows.shape[1]
    patches = F.unfold(x, 2).transpose(0, 1).flatten(1)
    values = torch.linalg.eigvalsh(patches @ patches.T / patches.shape[1]).flip(0)
    torch.testing.assert_close(covariance, torch.diag(values / (values + EPSILON)), rtol=1e-9, atol=1e-9)


def test_batches_do_not_matter_to_the_whitening() -> None:
    x, one, many = pictures(40), Whitening(3), Whitening(3)
    one.fit([x])
    many.fit(x.split(7))
    torch.testing.assert_close(one.weight, many.weight, rtol=0, atol=1e-3)
    assert "weight" not in dict(one.named_parameters())


def test_first_filters_hand_their_channel_on() -> None:
    network = build()
    x = torch.randn(1, 24, 6, 6)
    torch.testing.assert_close(network.layer1.conv1(x), x[:, :8])
    y = torch.randn(1, 8, 6, 6)
    torch.testing.assert_close(network.layer2.conv1(y)[:, :8], y)
    assert network.layer2.conv1(y)[:, 8:].std() > 0


def test_what_was_whitened_is_bent_before_the_first_block() -> None:
    """Section 3.1: without GELU between them a filter and its negative would tell the first block the same thing."""
    network, seen = build().eval(), []
    network.layer1.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    x = torch.randn(2, 3, 32, 32)
    network(x)
    torch.testing.assert_close(seen[0], F.gelu(network.whiten(x)))


def test_sizes_of_the_stages() -> None:
    network, sizes = build(), []
    for module in (network.whiten, network.layer1, network.layer2, network.layer3):
        module.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape[1:])))
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert sizes == [(24, 31, 31), (8, 15, 15), (16, 7, 7), (16, 3, 3)]


def test_three_convolutions_have_a_shortcut() -> None:
    block = build(convolutions=3).layer2.eval()
    x = torch.randn(2, 8, 10, 10)
    y = F.gelu(block.norm1(F.max_pool2d(block.conv1(x), 2)))
    z = block.norm3(block.conv3(F.gelu(block.norm2(block.conv2(y)))))
    torch.testing.assert_close(block(x), F.gelu(y + z))


def test_views_are_averaged_in_evaluation_alone() -> None:
    images = torch.randn(3, 3, 32, 32)
    network = build(views="mirror-shift")
    assert torch.equal(network(images), network.logits(images))
    network.eval()
    padded = F.pad(images, (1, 1, 1, 1), mode="reflect")

    def both(x: torch.Tensor) -> torch.Tensor:
        return (network.logits(x) + network.logits(x.flip(3))) / 2

    expected = both(images) / 2 + (both(padded[:, :, 2:, 2:]) + both(padded[:, :, :-2, :-2])) / 4
    torch.testing.assert_close(network(images), expected)
    mirror = build(views="mirror").eval()
    torch.testing.assert_close(mirror(images), mirror(images.flip(3)))


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    x = pictures(120)
    scaled = (128 + 40 * x / x.std()).clamp(0, 255).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).numpy(), np.arange(120) % 3


def train(data: tuple[np.ndarray, np.ndarray], out: Path, *, epochs: int) -> Run:
    recipe = Recipe().replace(
        model={"name": "airbench94", "config": {"widths": (4, 4, 4)}},
        optim={"name": "nesterov", "lr": 0.05, "bias_lr": 64.0, "schedule": "one-cycle"},
        training={"epochs": epochs, "batch_size": 32, "compile": False, "device": "cpu"},
    )
    return fit.train(recipe, data=data, out=out)


def test_the_whitening_is_of_the_training_part_and_stays(data: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    run = train(data, tmp_path / "run", epochs=2)
    columns, index, _ = run.part("train")
    expected = Whitening(3)
    expected.fit([run.model.normalise(columns.inputs[0][torch.from_numpy(index)])[0]])
    torch.testing.assert_close(run.model.network.whiten.weight, expected.weight, rtol=0, atol=1e-3)
    again = train(data, tmp_path / "again", epochs=2)
    assert torch.equal(run.model.network.whiten.weight, again.model.network.whiten.weight)
    assert run.metrics == again.metrics
