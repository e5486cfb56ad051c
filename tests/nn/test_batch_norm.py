"""Batch normalisation: facts, PyTorch's own layer as the oracle, and one batch over several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from nn import batch_norm_worker as worker
from sonde.nn.batch_norm import BatchNorm


def test_by_hand() -> None:
    layer = BatchNorm(2, eps=1e-12)
    torch.testing.assert_close(layer(torch.tensor([[1.0, 2.0], [3.0, 6.0]])), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4), (6, 3, 4, 5), (6, 3, 2, 4, 5)])
def test_equals_torch_in_training_and_evaluation(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = BatchNorm(3)
    theirs = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)](3)
    theirs.load_state_dict(ours.state_dict())
    for _ in range(3):
        x = torch.randn(shape, generator=generator) * 2 + 5
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    x = torch.randn(shape, generator=generator)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_evaluation_does_not_depend_on_the_batch() -> None:
    layer = BatchNorm(3)
    layer(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))
    layer.eval()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    torch.testing.assert_close(torch.cat([layer(row[None]) for row in x]), layer(x))
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert layer(x[:0]).shape == (0, 3)


def test_one_value_a_feature_is_refused_in_training() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        BatchNorm(3)(torch.ones(1, 3))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes computed on its part."""
    folder = tmp_path_factory.mktemp("processes")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [subprocess.Popen([sys.executable, worker.__file__, str(folder), str(rank)], env=environment) for rank in range(2)]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.processes
@pytest.mark.parametrize("case", worker.SHARES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_processes_with_parts_of_a_batch_equal_one_with_all_of_it(
    results: list[dict[str, Any]], case: str, dtype: torch.dtype, tolerance: float
) -> None:
    x, gradient = worker.case(dtype)
    x.requires_grad_()
    layer = worker.layer(dtype)
    for _ in range(2):
        y = layer(x)
    y.backward(gradient)
    parts = [result[f"{case} {dtype}"] for result in results]
    near = {"rtol": 10 * tolerance, "atol": 10 * tolerance}
    torch.testing.assert_close(torch.cat([part["y"] for part in parts]), y.detach(), **near)
    torch.testing.assert_close(torch.cat([part["dx"] for part in parts]), x.grad, **near)
    for name, parameter in (("dw", layer.weight), ("db", layer.bias)):
        torch.testing.assert_close(parts[0][name] + parts[1][name], parameter.grad, **near)
    for name, value in layer.state_dict().items():
        for part in parts:
            torch.testing.assert_close(part[name], value, rtol=tolerance, atol=0)


@pytest.mark.processes
def test_one_value_a_feature_in_all_processes_is_refused(results: list[dict[str, Any]]) -> None:
    assert "more than one value a channel in training, and got 1 in all processes" in results[0]["message"]
