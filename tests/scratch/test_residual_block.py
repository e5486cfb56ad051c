"""Residual blocks: the identity at the start, and the fast models' blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scratch.layer_parity import LIMITS, close
from sonde.models.resnet import BasicBlock
from sonde.scratch.residual_block import preactivation_block, residual_block
from sonde.scratch.tensor import Tensor


def _split(block: torch.nn.Module, dtype: type) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    weights = {name: Tensor(p.detach().numpy().astype(dtype), requires_grad=True) for name, p in block.named_parameters()}
    return weights, {name: b.numpy().astype(dtype) for name, b in block.named_buffers() if b.ndim}


@pytest.mark.parametrize(("channels", "width", "stride"), [(4, 4, 1), (3, 5, 2), (3, 5, 1)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", list(LIMITS))
def test_agrees_with_the_fast_block(channels: int, width: int, stride: int, training: bool, dtype: type) -> None:
    torch.manual_seed(0)
    block = BasicBlock(channels, width, stride=stride).to(torch.float64 if dtype is np.float64 else torch.float32).train(training)
    for name, p in block.named_parameters():
        if "weight" in name and p.ndim == 1:
            torch.nn.init.uniform_(p, 0.5, 1.5)
    weights, statistics = _split(block, dtype)
    x = np.random.default_rng(0).standard_normal((3, channels, 7, 6)).astype(dtype)
    mine, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, kept = residual_block(mine, weights, statistics, stride=stride, training=training)
    expected = block(theirs)
    gradient = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    y.backward(gradient)
    expected.backward(torch.tensor(gradient))
    close(y.data, expected.detach().numpy(), LIMITS[dtype], "value")
    close(mine.grad, theirs.grad.numpy(), LIMITS[dtype], "x")
    for name, p in block.named_parameters():
        close(weights[name].grad, p.grad.numpy(), LIMITS[dtype], name)
    for name, b in block.named_buffers():
        if b.ndim:
            close(kept[name], b.numpy(), LIMITS[dtype], name)


def _block(rng: np.random.Generator, channels: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    weights = {f"conv{i}.weight": rng.standard_normal((channels, channels, 3, 3)) for i in (1, 2)}
    statistics = {}
    for i in (1, 2):
        weights |= {f"bn{i}.weight": np.ones(channels), f"bn{i}.bias": np.zeros(channels)}
        statistics |= {f"bn{i}.running_mean": np.zeros(channels), f"bn{i}.running_var": np.ones(channels)}
    return weights, statistics


def test_last_gamma_of_zero_makes_the_block_the_identity() -> None:
    rng = np.random.default_rng(0)
    weights, statistics = _block(rng, 3)
    x = np.abs(rng.standard_normal((2, 3, 5, 5)))  # as after a ReLU
    assert not np.allclose(residual_block(x, weights, statistics, training=True)[0].data, x)
    weights["bn2.weight"] = np.zeros(3)
    np.testing.assert_array_equal(residual_block(x, weights, statistics, training=True)[0].data, x)


def test_last_kernel_of_zero_makes_the_preactivation_block_the_identity() -> None:
    rng = np.random.default_rng(0)
    weights, statistics = _block(rng, 3)
    x = rng.standard_normal((2, 3, 5, 5))
    assert not np.allclose(preactivation_block(x, weights, statistics, training=True)[0].data, x)
    weights["conv2.weight"] = np.zeros((3, 3, 3, 3))
    np.testing.assert_array_equal(preactivation_block(x, weights, statistics, training=True)[0].data, x)


@pytest.mark.parametrize("stride", [1, 2])
def test_preactivation_block_written_in_pytorch(stride: int) -> None:
    rng = np.random.default_rng(0)
    weights, statistics = _block(rng, 3)
    weights["downsample.0.weight"] = rng.standard_normal((3, 3, 1, 1))
    x = rng.standard_normal((2, 3, 7, 6))
    mine = {name: Tensor(w, requires_grad=True) for name, w in weights.items()}
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    y, _ = preactivation_block(x, mine, statistics, stride=stride, training=True)

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.nn.functional.batch_norm(x, None, None, w[f"{name}.weight"], w[f"{name}.bias"], training=True))

    active = norm("bn1", torch.tensor(x))
    inner = torch.nn.functional.conv2d(active, w["conv1.weight"], stride=stride, padding=1)
    inner = torch.nn.functional.conv2d(norm("bn2", inner), w["conv2.weight"], padding=1)
    expected = torch.nn.functional.conv2d(active, w["downsample.0.weight"], stride=stride) + inner
    gradient = rng.standard_normal(y.shape)
    y.backward(gradient)
    expected.backward(torch.tensor(gradient))
    close(y.data, expected.detach().numpy(), 1e-10, "value")
    for name in weights:
        close(mine[name].grad, w[name].grad.numpy(), 1e-10, name)


def test_the_statistics_given_stay_as_they_are() -> None:
    weights, statistics = _block(np.random.default_rng(0), 2)
    _, kept = residual_block(np.random.default_rng(1).standard_normal((2, 2, 4, 4)), weights, statistics, training=True)
    assert (statistics["bn1.running_mean"] == 0).all()
    assert set(kept) == set(statistics)
    assert (kept["bn1.running_mean"] != 0).any()
