"""Weight decay and a hard bound on the weights' norm are two spellings of one problem; decay smooths a decision boundary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sonde
from sonde.optim import optimizers
from sonde.optim.project import project


def _descend(x: Tensor, y: Tensor, *, radius: float | None, weight_decay: float) -> tuple[Tensor, Tensor]:
    """Weights after 1,500 steps of gradient descent on ½·mean (y − xw)², and the gradient of that loss there."""
    model = nn.Linear(x.shape[1], 1, bias=False).double()
    nn.init.zeros_(model.weight)
    optimizer = optimizers.build("sgd", model, lr=0.2, weight_decay=weight_decay)
    for _ in range(1_500):
        optimizer.zero_grad()
        ((y - model(x)[:, 0]).square().mean() / 2).backward()
        optimizer.step()
        if radius is not None:
            project(model.parameters(), radius=radius)
    assert model.weight.grad is not None
    return model.weight.detach()[0], model.weight.grad[0]


@pytest.mark.parametrize("radius", [0.3, 1.0, 2.0])
def test_every_hard_bound_that_binds_has_a_decay_that_equals_it(radius: float) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(50, 4, generator=draw, dtype=torch.float64)
    y = x @ torch.tensor([2.0, -1, 0.5, 1], dtype=torch.float64) + 0.1 * torch.randn(50, generator=draw, dtype=torch.float64)
    bounded, gradient = _descend(x, y, radius=radius, weight_decay=0.0)
    assert bounded.norm().item() == pytest.approx(radius)
    # Where the bound binds, −∇L points outward along w: ∇L + λw = 0 with λ = ‖∇L‖/θ, the condition of the decayed minimum.
    decay = (gradient.norm() / radius).item()
    decayed, _ = _descend(x, y, radius=None, weight_decay=decay)
    torch.testing.assert_close(decayed, bounded, rtol=0, atol=1e-8)


def test_a_bound_that_does_not_bind_equals_no_decay() -> None:
    x = torch.eye(3, dtype=torch.float64)
    y = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)
    bounded, gradient = _descend(x, y, radius=3.5, weight_decay=0.0)
    assert gradient.norm().item() < 1e-8
    torch.testing.assert_close(bounded, y, rtol=0, atol=1e-6)


def test_decay_smooths_the_boundary_of_a_ten_unit_net(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    angle = draw.uniform(0, np.pi, 80)
    label = np.arange(80) % 2
    x = np.cos(angle) * (1 - 2 * label) + label + draw.normal(0, 0.35, 80)
    y = np.sin(angle) * (1 - 2 * label) + label / 2 + draw.normal(0, 0.35, 80)
    data = tmp_path / "moons.csv"
    data.write_text("x,y,label\n" + "".join(f"{a:.4f},{b:.4f},{'out' if c else 'in'}\n" for a, b, c in zip(x, y, label, strict=True)))
    roughness, norm = {}, {}
    for decay in (0.0, 0.02):
        settings = {"model.width": 10, "model.depth": 1, "data.validation": 0.0, "data.test": 0.1}
        run = sonde.train(
            data,
            target="label",
            model="mlp",
            optimizer="momentum",
            lr=0.1,
            weight_decay=decay,
            schedule="constant",
            epochs=60,
            batch_size=16,
            compile=False,
            settings=settings,
            out=tmp_path / str(decay),
        )
        drawn = json.loads((run.path / "figures" / "explain.json").read_text())["boundary"]
        cells = np.array(drawn["grid"])
        roughness[decay] = int((cells[:, 1:] != cells[:, :-1]).sum() + (cells[1:] != cells[:-1]).sum())
        norm[decay] = sum(float(p.detach().square().sum()) for p in run.model.parameters() if p.ndim > 1)
        assert len(np.unique(cells)) == 2
    assert norm[0.02] < 0.25 * norm[0.0]
    assert roughness[0.02] < roughness[0.0]
