"""A step compiled whole against the same step run eagerly; a compiled run that is stopped and resumed."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import sonde
from sonde.data.batch import Batch
from sonde.optim import optimizers
from sonde.optim.clip import clip
from sonde.run import Run
from sonde.tasks.classification import Classification
from sonde.training.checkpoints import Checkpoints
from sonde.training.step import Step
from sonde.training.whole_step import WholeStep


@pytest.mark.parametrize(("name", "limit"), [("momentum", 0.0), ("adamw", 0.1)])
def test_equals_the_eager_step(name: str, limit: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).double()
    eager, task = copy.deepcopy(model), Classification(("a", "b", "c"))
    optimizer = optimizers.build(name, eager, lr=0.01, weight_decay=0.1)
    mirrored = optimizers.build(name, model, lr=0.01, weight_decay=0.1)
    whole = WholeStep(Step(model, task), mirrored, clip=limit, precision="float64", device=torch.device("cpu"))
    for step in range(5):
        x, y = torch.rand(16, 1, 8, 8, dtype=torch.float64), torch.randint(3, (16,))
        batch = Batch((x,), y, torch.arange(16), {"examples": 16.0})
        for either in (optimizer, mirrored):
            for group in either.param_groups:
                group["lr"] = 0.01 * (step + 1)
        loss, norm = whole(batch, batch.counts)
        expected = task.loss(eager, batch, batch.counts)
        expected.value.backward()
        if limit:
            assert float(norm) == pytest.approx(limit)
            assert float(clip(eager.parameters(), limit=limit)) > limit
        optimizer.step()
        optimizer.zero_grad()
        torch.testing.assert_close(loss.value, expected.value.detach(), rtol=0, atol=1e-10)
        torch.testing.assert_close(loss.output, expected.output, rtol=0, atol=1e-10)
        assert loss.terms["loss"][1] == 16.0
    for key, value in eager.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=0, atol=1e-9)


def test_a_compiled_run_resumes_bitwise(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(70, 3))
    data = tmp_path / "points.csv"
    data.write_text("a,b,c,y\n" + "".join(f"{a:.4f},{b:.4f},{c:.4f},{'yes' if a + b > c else 'no'}\n" for a, b, c in x))

    def train(epochs: int, name: str) -> Run:
        settings = {"model.width": 8}
        return sonde.train(
            data, target="y", epochs=epochs, batch_size=16, compile=True, optimizer="adamw", schedule="constant", settings=settings, out=tmp_path / name
        )

    whole, stopped = train(4, "whole"), train(2, "stopped")
    resumed = sonde.train(resume=stopped.path, epochs=4)
    assert _tensors(resumed.path).keys() == _tensors(whole.path).keys()
    for key, value in _tensors(whole.path).items():
        assert torch.equal(_tensors(resumed.path)[key], value), key


def _tensors(run: Path) -> dict[str, torch.Tensor]:
    """Weights and optimiser state of the last checkpoint."""
    folder = run / "checkpoints" / Checkpoints(run).pointers()["last"][0]
    return load_file(folder / "weights.safetensors") | load_file(folder / "optimizer.safetensors")
