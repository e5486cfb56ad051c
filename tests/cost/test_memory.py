"""Training memory: what autograd keeps is taken down as it is, each storage once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from sonde.cost.account import Memory, account
from sonde.cost.source import Input, Source, find


def memory(build: Callable[[], nn.Module], shape: tuple[int, ...], *, batch: int = 8, optimizer: str = "sgd") -> Memory:
    return account(Source("test", "test", build, (Input(shape),), own=False), batch=batch, optimizer=optimizer).memory


def test_a_linear_layer() -> None:
    found = memory(lambda: nn.Linear(100, 50), (100,))
    weights = 4 * (100 * 50 + 50)
    assert (found.weights, found.gradients, found.optimizer, found.inputs) == (weights, weights, 0, 4 * 8 * 100)
    assert found.activations == 0  # the batch and the weights are there anyway
    assert found.inference == weights + 4 * 8 * (100 + 50)


@pytest.mark.parametrize(("optimizer", "numbers"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2)])
def test_what_optimisers_keep(optimizer: str, numbers: int) -> None:
    found = memory(lambda: nn.Linear(10, 10), (10,), optimizer=optimizer)
    assert found.optimizer == numbers * 4 * 110
    assert found.training >= found.weights + found.gradients + found.optimizer + found.inputs


def test_shared_storages_count_once() -> None:
    """ReLU keeps its result, which is also what the next layer keeps of its input."""
    one = memory(lambda: nn.Sequential(nn.Linear(10, 64), nn.ReLU()), (10,))
    two = memory(lambda: nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 3)), (10,))
    assert one.activations == two.activations == 4 * 8 * 64


def test_frozen_weights_have_no_gradients() -> None:
    def build() -> nn.Module:
        module = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 2))
        module[0].requires_grad_(False)
        return module

    found = memory(build, (10,), optimizer="adam")
    assert found.gradients == 4 * 22
    assert found.optimizer == 8 * 22


@pytest.mark.parametrize("name", ["lenet", "resnet20", "mlp"])
def test_the_same_as_a_real_step_keeps(name: str) -> None:
    source, batch = find(name), 4
    torch.manual_seed(0)
    model = source.build().train()
    inputs = [each.batch(batch, "cpu") for each in source.inputs]
    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers(), *inputs]}
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        if x.untyped_storage().data_ptr() not in own:
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with saved_tensors_hooks(keep, lambda x: x):
        output = model(*inputs)
    assert account(source, batch=batch).memory.activations == sum(kept.values())
    assert output.requires_grad


def test_new_memory_stays_on_its_device() -> None:
    """Sonde's dropout draws its mask on the CPU; the same request twice gives the same device twice."""
    found = account(find("mlp", settings={"dropout": 0.5, "depth": 2}), batch=4).memory
    assert found.activations > account(find("mlp", settings={"depth": 2}), batch=4).memory.activations


def test_a_convolution_works_on_copies() -> None:
    """On a CPU what goes in, what comes out and the weights are copied to blocks of 16 channels while it runs."""
    found = memory(lambda: nn.Conv2d(16, 32, 1, bias=False), (16, 8, 8))
    x, y, w = 4 * 8 * 16 * 64, 4 * 8 * 32 * 64, 4 * 16 * 32
    assert found.inference == w + x + y + (x + y + w)


def test_memory_that_comes_and_goes_is_in_the_peak() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(10, 10)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            with torch.no_grad():
                wide = y.repeat(1, 1000) + 0
            return y + wide.mean()

    found = memory(Wide, (10,), batch=4)
    assert found.training > 2 * 4 * 4 * 10_000


def test_auxiliary_outputs_count_in_training_alone() -> None:
    class WithHelp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head, self.help = nn.Linear(8, 8), nn.Linear(8, 2), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            y = F.relu(self.body(x))
            return (self.head(y), self.help(y)) if self.training else self.head(y)

    found = account(Source("help", "help", WithHelp, (Input((8,)),), own=False), batch=2)
    by_path = {layer.path: layer for layer in found.layers}
    assert found.multiply_adds == 64 + 16
    assert by_path["help"].multiply_adds == 0 and by_path["help"].backward == 2 * 2 * 16
