"""The multilayer perceptron: XOR, linear activations, piecewise-linear curves, sizes and options."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sonde import models
from sonde.errors import RecipeError
from sonde.models.mlp import MLP, Config, build, embedding_width
from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout

XOR = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])


def _fit(model: nn.Module, x: torch.Tensor, y: torch.Tensor, *, steps: int, lr: float = 0.02) -> float:
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
        schedule.step()
    return (model(x) - y).square().mean().item()


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "centred-sigmoid"])
def test_learns_xor(activation: str) -> None:
    torch.manual_seed(0)
    model = models.build("mlp", {"numbers": 2, "outputs": 1, "width": 8, "activation": activation})
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    assert _fit(model, XOR, y, steps=400, lr=0.05) < 0.01


def test_with_linear_activations_stays_linear() -> None:
    torch.manual_seed(0)
    model = models.build("mlp", {"numbers": 2, "outputs": 1, "width": 16, "depth": 3, "activation": "linear"}).double()
    x, z = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    torch.testing.assert_close(model(0.3 * x + 0.7 * z), 0.3 * model(x) + 0.7 * model(z))
    # So XOR's best is 0.5 everywhere, an error of a quarter.
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]], dtype=torch.float64)
    assert _fit(model, XOR.double(), y, steps=200) == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("activation", ["relu", "hard-sigmoid"])
def test_any_piecewise_linear_curve_exactly(activation: str) -> None:
    """A curve through given corners is a sum of one unit a piece: slopes' changes for ReLU, rises for hard sigmoids."""
    corners, values = torch.tensor([0.0, 1.0, 2.5, 3.0, 5.0]), torch.tensor([1.0, 3.0, -1.0, 0.0, 0.5])
    widths, rises = corners.diff(), values.diff()
    model = models.build("mlp", {"numbers": 1, "outputs": 1, "width": 4, "activation": activation})
    assert isinstance(model, MLP)
    slopes = rises / widths
    with torch.no_grad():
        if activation == "relu":
            first, second = torch.ones(4), torch.cat([slopes[:1], slopes.diff()])
        else:
            first, second = 1 / widths, rises
        model.hidden[0].weight.copy_(first[:, None])
        model.hidden[0].bias.copy_(-first * corners[:-1])
        model.output.weight.copy_(second[None])
        model.output.bias.copy_(values[:1])
    grid = torch.linspace(0, 5, 101)
    piece = torch.bucketize(grid, corners[1:-1])
    expected = values[piece] + slopes[piece] * (grid - corners[piece])
    torch.testing.assert_close(model(grid[:, None])[:, 0], expected, rtol=1e-5, atol=1e-5)


def test_more_pieces_fit_better() -> None:
    x = torch.linspace(-1, 1, 128)[:, None]
    y = torch.sin(math.pi * x)
    errors = []
    for width in (1, 4, 64):
        torch.manual_seed(0)
        model = models.build("mlp", {"numbers": 1, "outputs": 1, "width": width})
        errors.append(_fit(model, x, y, steps=500))
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < 0.3 * errors[1]


def test_depth_and_width() -> None:
    model = models.build("mlp", {"numbers": 3, "outputs": 2, "width": 7, "depth": 3})
    assert [m.out_features for m in model.modules() if isinstance(m, nn.Linear)] == [7, 7, 7, 2]
    model = models.build("mlp", {"numbers": 3, "outputs": 2, "width": [9, 4]})
    assert [m.out_features for m in model.modules() if isinstance(m, nn.Linear)] == [9, 4, 2]
    assert sum(p.numel() for p in models.build("mlp", {"numbers": 3, "outputs": 2, "depth": 0}).parameters()) == 8
    assert sum(p.numel() for p in models.build("mlp", {"numbers": 3, "outputs": 2, "width": [], "depth": 5}).parameters()) == 8


def test_embeddings_of_categories() -> None:
    assert [embedding_width(codes) for codes in (1, 2, 3, 10, 100, 10_000)] == [2, 2, 3, 6, 21, 50]
    model = models.build("mlp", {"numbers": 2, "categories": (3, 100), "outputs": 1, "width": 5})
    assert [tuple(embedding.weight.shape) for embedding in model.embeddings] == [(3, 3), (100, 21)]
    assert model.hidden[0].in_features == 2 + 3 + 21
    numbers, codes = torch.zeros(2, 2), torch.tensor([[0, 5], [2, 5]])
    outputs = model(numbers, codes)
    assert outputs.shape == (2, 1)
    assert outputs[0] != outputs[1]
    with pytest.raises(ValueError, match="built for 2 categories and got none"):
        model(numbers)


def test_only_categories() -> None:
    model = models.build("mlp", {"numbers": 0, "categories": (4,), "outputs": 2, "width": 5})
    assert model(torch.zeros(3, 0), torch.tensor([[1], [2], [3]])).shape == (3, 2)


def test_dropout_and_batch_norm_stand_in_each_hidden_layer() -> None:
    model = models.build("mlp", {"numbers": 3, "outputs": 2, "width": 7, "depth": 2, "dropout": 0.4, "batch_norm": True})
    assert [type(layer) for layer in model.hidden] == [nn.Linear, BatchNorm, nn.ReLU, Dropout] * 2
    assert model.hidden[3].p == 0.4
    assert model.hidden[0].bias is None
    x = torch.randn(6, 3)
    assert torch.equal(model.eval()(x), model(x))
    assert not torch.equal(model.train()(x), model(x))


def test_initialisation() -> None:
    torch.manual_seed(0)
    spread = {how: models.build("mlp", {"numbers": 400, "outputs": 2, "width": 400, "initialisation": how}).hidden[0].weight.std().item()
              for how in ("auto", "normal", "xavier-normal")}  # fmt: skip
    assert spread == pytest.approx({"auto": math.sqrt(2 / 400), "normal": 0.01, "xavier-normal": 0.05}, rel=0.02)
    tanh = models.build("mlp", {"numbers": 400, "outputs": 2, "width": 400, "activation": "tanh"}).hidden[0].weight
    assert tanh.abs().max().item() == pytest.approx(math.sqrt(6 / 800), rel=1e-2)


@pytest.mark.parametrize("table", [{"width": 0}, {"width": (4, 0)}, {"depth": -1}])
def test_impossible_sizes_are_refused(table: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"hidden layers of width .*\n.*widths of at least 1"):
        build(Config(numbers=2, outputs=1, **table))  # type: ignore[arg-type]


def test_choices_are_named_when_wrong() -> None:
    with pytest.raises(RecipeError, match=r"model\.activation = 'rellu': .*'relu'"):
        models.config("mlp", {"activation": "rellu"})
