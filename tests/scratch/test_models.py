"""Whole models from the bottom against the fast ones: names, values and every gradient, weights moved across by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sonde.models import lenet as fast_lenet
from sonde.models import linear_regression as fast_linear
from sonde.models import mlp as fast_mlp
from sonde.models import perceptron as fast_perceptron
from sonde.models import softmax_regression as fast_softmax
from sonde.scratch import models
from sonde.scratch.losses import cross_entropy

RNG = np.random.default_rng(0)


def compare(ours, theirs, x, classes, dtype=np.float64, tolerance=1e-10):
    """Value and every gradient of the mean cross-entropy."""
    theirs = theirs.to(torch.float64 if dtype == np.float64 else torch.float32)
    weights = ours.weights(np.random.default_rng(1), dtype)
    state = {name: p.shape for name, p in theirs.named_parameters()}
    assert {name: w.shape for name, w in weights.items()} == {name: tuple(shape) for name, shape in state.items()}
    with torch.no_grad():
        for name, p in theirs.named_parameters():
            p.copy_(torch.tensor(weights[name].data))
    y = RNG.integers(0, classes, len(x))
    output = ours.forward(weights, x.astype(dtype))
    total, count = cross_entropy(output, y)
    (total / count).backward()
    expected = theirs(torch.tensor(x.astype(dtype)))
    nn.functional.cross_entropy(expected, torch.tensor(y)).backward()
    assert output.dtype == dtype
    np.testing.assert_allclose(output.data, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(weights[name].grad, p.grad.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
@pytest.mark.parametrize("act", ["relu", "sigmoid", "tanh", "centred-sigmoid", "hard-sigmoid", "linear"])
@pytest.mark.parametrize("widths", [(), (7,), (8, 6, 4)])
def test_mlp(widths, act, dtype, tolerance):
    fast = fast_mlp.build(fast_mlp.Config(numbers=12, outputs=3, width=widths, depth=len(widths), activation=act))
    compare(models.mlp(12, 3, widths=widths, act=act), fast, RNG.normal(size=(5, 3, 4)), 3, dtype, tolerance)


@pytest.mark.parametrize(("act", "pooling"), [("relu", "max"), ("sigmoid", "average")])
def test_lenet(act, pooling):
    fast = fast_lenet.build(fast_lenet.Config(channels=2, size=17, classes=4, activation=act, pooling=pooling))
    compare(models.lenet(2, 17, 4, act=act, pooling=pooling), fast, RNG.normal(size=(3, 2, 17, 17)), 4)


def test_linear_models():
    x = RNG.normal(size=(6, 2, 2))
    compare(models.softmax_regression(4, 3), fast_softmax.build(fast_softmax.Config(numbers=4, outputs=3)), x, 3)
    for module in (fast_linear, fast_perceptron):
        ours = models.softmax_regression(4, 1).weights(RNG)
        theirs = module.build(module.Config(numbers=4, outputs=1)).named_parameters()
        assert {name: w.shape for name, w in ours.items()} == {name: tuple(p.shape) for name, p in theirs}
        assert not any(w.data.any() for w in ours.values())


def test_counts():
    assert models.count(models.mlp(784, 10).weights(RNG)) == 203_530
    assert models.count(models.lenet().weights(RNG)) == 61_706


def test_dropout_takes_numbers_of_its_own_and_rests_in_use():
    ours = models.mlp(4, 2, widths=(8, 8), dropout=0.5)
    fast = fast_mlp.build(fast_mlp.Config(numbers=4, outputs=2, width=8, depth=2, dropout=0.5)).eval()
    compare(ours, fast, RNG.normal(size=(5, 4)), 2)
    weights, x = ours.weights(RNG), RNG.normal(size=(5, 4))
    dropped = [ours.forward(weights, x, np.random.default_rng(seed)).data for seed in (0, 0, 1)]
    assert (dropped[0] == dropped[1]).all() and not np.allclose(dropped[0], dropped[2])


def test_linear_activations_stay_linear():
    ours = models.mlp(3, 2, widths=(9, 9), act="linear")
    weights = ours.weights(RNG)
    a, b = RNG.normal(size=(2, 4, 3))
    between = ours.forward(weights, 0.3 * a + 0.7 * b).data
    np.testing.assert_allclose(between, 0.3 * ours.forward(weights, a).data + 0.7 * ours.forward(weights, b).data, atol=1e-12)


class GRULanguageModel(nn.Module):
    def __init__(self, vocabulary, width, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.recurrent = nn.GRU(width, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, x):
        return self.output(self.recurrent(self.embedding(x))[0]).flatten(0, 1)


class TransformerLanguageModel(nn.Module):
    def __init__(self, vocabulary, width, heads, hidden, depth, norm_first):
        super().__init__()
        self.embedding, self.width = nn.Embedding(vocabulary, width), width
        blocks = (nn.TransformerEncoderLayer(width, heads, hidden, 0.0, batch_first=True, norm_first=norm_first) for _ in range(depth))
        self.blocks, self.output = nn.ModuleList(blocks), nn.Linear(width, vocabulary)

    def forward(self, x):
        steps, j = x.shape[1], torch.arange(0, self.width, 2, dtype=torch.float64)
        angle = torch.arange(steps)[:, None] * 10000 ** (-j / self.width)
        h = self.embedding(x) * self.width**0.5 + torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
        for block in self.blocks:
            h = block(h, src_mask=torch.ones(steps, steps, dtype=torch.bool).triu(1))
        return self.output(h).flatten(0, 1)


@pytest.mark.parametrize("steps", [1, 5])
def test_language_models(steps):
    x = RNG.integers(0, 9, (3, steps))
    pairs = [(models.gru_language_model(9, width=4, hidden=6, layers=2), GRULanguageModel(9, 4, 6, 2))]
    for norm_first in (False, True):
        ours = models.transformer_language_model(9, width=8, heads=2, hidden=12, depth=2, norm_first=norm_first)
        pairs.append((ours, TransformerLanguageModel(9, 8, 2, 12, 2, norm_first)))
    for ours, theirs in pairs:
        theirs, weights = theirs.double(), ours.weights(np.random.default_rng(1))
        assert {name: w.shape for name, w in weights.items()} == {name: tuple(p.shape) for name, p in theirs.named_parameters()}
        theirs.load_state_dict({name: torch.tensor(w.data) for name, w in weights.items()})
        y = RNG.integers(0, 9, x.shape)
        output = ours.forward(weights, x)
        assert output.shape == (3, steps, 9)
        cross_entropy(output, y)[0].backward()
        expected = theirs(torch.tensor(x))
        nn.functional.cross_entropy(expected, torch.tensor(y).flatten(), reduction="sum").backward()
        np.testing.assert_allclose(output.data.reshape(-1, 9), expected.detach().numpy(), atol=1e-10)
        for name, p in theirs.named_parameters():
            np.testing.assert_allclose(weights[name].grad, p.grad.numpy(), atol=1e-10, err_msg=name)


def test_a_language_model_sees_no_later_token():
    x = RNG.integers(0, 9, (1, 6))
    other = x.copy()
    other[0, 4:] = (x[0, 4:] + 1) % 9
    for ours in (models.gru_language_model(9, width=4, hidden=6), models.transformer_language_model(9, width=8, heads=2, hidden=8)):
        weights = ours.weights(RNG)
        np.testing.assert_allclose(ours.forward(weights, x).data[0, :4], ours.forward(weights, other).data[0, :4], atol=1e-13)
        assert not np.allclose(ours.forward(weights, x).data[0, 4:], ours.forward(weights, other).data[0, 4:])


def test_bad_input():
    with pytest.raises(ValueError, match="there is no activation 'rely': known are relu"):
        models.mlp(2, 1, act="rely").forward(models.mlp(2, 1).weights(RNG), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="at least 12×12 with max or average pooling, not 8×8"):
        models.lenet(1, 8)
