"""The loop from the bottom learns, and its events have the form of a run's."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

import sonde
from sonde import models as fast
from sonde.nn.scale import layer_scales
from sonde.optim import optimizers
from sonde.scratch import health, models
from sonde.scratch.losses import cross_entropy, mse
from sonde.scratch.optimisers import SGD, Adam, Momentum
from sonde.scratch.training import predict, regression, train

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


def of_kind(events, kind):
    return [event for event in events if event["event"] == kind]


def blobs(n=90, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return rng.normal(size=(n, 2)) + np.array([[0, 0], [6, 0], [0, 6]])[y], y


def test_softmax_regression_learns_and_tells_of_it():
    x, y = blobs()
    _, events = train(models.softmax_regression(2, 3), x, y, optimiser=SGD(0.1), epochs=20, batch_size=8, validation=blobs(seed=1))
    first, last = of_kind(events, "train")[0], of_kind(events, "train")[-1]
    assert events[0]["parameters"] == 9 and events[0]["steps_per_epoch"] == 12
    assert last["loss"] < first["loss"] and of_kind(events, "evaluate")[-1]["metrics"]["accuracy"] > 0.95


@pytest.mark.parametrize("act", ["relu", "tanh", "sigmoid"])
def test_an_mlp_learns_exclusive_or(act):
    weights, _ = train(models.mlp(2, 2, widths=(8,), act=act), *XOR, optimiser=Adam(0.05), epochs=300, batch_size=4)
    assert (predict(models.mlp(2, 2, widths=(8,), act=act), weights, XOR[0]).argmax(1) == XOR[1]).all()


def test_linear_activations_do_not():
    model = models.mlp(2, 2, widths=(8,), act="linear")
    weights, _ = train(model, *XOR, optimiser=Adam(0.05), epochs=300, batch_size=4)
    assert (predict(model, weights, XOR[0]).argmax(1) == XOR[1]).sum() <= 3


@pytest.mark.parametrize("act", ["relu", "hard-sigmoid"])
def test_more_pieces_fit_a_curve_better(act):
    x = np.linspace(-3, 3, 64)[:, None]
    errors = []
    for width in (2, 32):
        model = models.mlp(1, 1, widths=(width,), act=act)
        _, events = train(model, x, np.sin(2 * x), optimiser=Adam(0.02), epochs=300, batch_size=64, loss=mse, metrics=regression)
        errors.append(of_kind(events, "train")[-1]["metrics"]["rmse"])
    assert errors[1] < errors[0] / 2


def test_lenet_learns():
    rng = np.random.default_rng(0)
    y = np.arange(32) % 2
    x = rng.normal(size=(32, 1, 12, 12)).astype(np.float32)
    x[y == 1, :, 3:9, 3:9] += 1.5
    weights, events = train(models.lenet(1, 12, 2), x, y, optimiser=Adam(0.003), epochs=12, batch_size=8)
    assert of_kind(events, "train")[-1]["metrics"]["accuracy"] == 1 and all(w.dtype == np.float32 for w in weights.values())


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_language_models_learn_to_count(kind):
    rng = np.random.default_rng(0)
    text = (np.arange(9) + rng.integers(0, 5, (32, 1))) % 5
    model = models.gru_language_model(5, width=16, hidden=16) if kind == "gru" else models.transformer_language_model(5, width=16, heads=2, hidden=32)
    _, events = train(model, text[:, :-1], text[:, 1:], optimiser=Adam(0.01), epochs=15, batch_size=8, limit=1.0)
    (*_, last) = of_kind(events, "train")
    assert last["metrics"]["accuracy"] > 0.95 and last["gradient_norm"] <= 1 + 1e-9


def test_fifty_steps_equal_those_of_torch():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    model, theirs = models.mlp(6, 3, widths=(9,)), nn.Module()
    theirs.hidden, theirs.output = nn.Sequential(nn.Linear(6, 9), nn.ReLU()), nn.Linear(9, 3)
    theirs = theirs.double()
    weights = model.weights(rng)
    theirs.load_state_dict({name: torch.tensor(w.data) for name, w in weights.items()})
    optimiser, losses = optimizers.build("momentum", theirs, lr=0.1), []
    for step in range(50):
        rows = slice(step % 5 * 8, step % 5 * 8 + 8)
        loss = nn.functional.cross_entropy(theirs.output(theirs.hidden(torch.tensor(x[rows]))), torch.tensor(y[rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    def in_order(seed, epoch, examples):
        return np.arange(examples)

    _, events = train(model, x, y, optimiser=Momentum(0.1), epochs=10, batch_size=8, weights=weights, order=in_order)
    told = [event["loss"] for event in events if event["event"] == "train"]
    np.testing.assert_allclose(told, np.reshape(losses, (10, 5)).mean(1), atol=1e-10)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(weights[name].data, p.detach().numpy(), atol=1e-10)


def test_the_events_have_the_form_of_a_run_s(tmp_path):
    x, y = blobs()
    sonde.train((x.astype(np.float32), y), model="softmax-regression", epochs=2, batch_size=16, compile=False, out=str(tmp_path / "run"))
    (path,) = tmp_path.rglob("events.jsonl")
    real = [json.loads(line) for line in path.read_text().splitlines()]
    n = real[0]["examples"]  # the rest are its validation and test parts
    _, ours = train(models.softmax_regression(2, 3), x[:n], y[:n], optimiser=SGD(0.1), epochs=2, batch_size=16, validation=(x, y), schedule="cosine")
    ours = [json.loads(json.dumps(event)) for event in ours]
    # The final measures of every part come after the training, and notes are words.
    assert [event["event"] for event in ours] == [event["event"] for event in real if event["event"] not in ("result", "note")]
    assert {event["event"] for event in ours} == {"start", "trace", "train", "scale", "evaluate", "stop"}
    for mine in ours:
        theirs = next(event for event in real if event["event"] == mine["event"])
        assert mine.keys() == theirs.keys()
        assert {key: type(value) for key, value in mine.items()} == {key: type(value) for key, value in theirs.items()}
        for table in ("metrics", "gradient", "weights"):
            assert mine.get(table, {}).keys() == theirs.get(table, {}).keys()
        for layer, other in zip(mine.get("layers", ()), theirs.get("layers", ()), strict=True):
            assert layer.keys() == other.keys()
            assert layer["name"] == other["name"].removeprefix("network.")


def test_a_trace_has_every_number_of_a_step():
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([1, 0])
    weights, events = train(models.softmax_regression(2, 2), x, y, optimiser=SGD(0.5), epochs=1, batch_size=2, order=lambda *_: np.arange(2))
    (step,) = of_kind(events, "trace")
    slope = np.array([[-0.5, 0.5], [0.5, -0.5]]).T @ x / 2  # (p − y) xᵀ / n, with p = ½ for either class
    assert (step["step"], step["inputs"], step["targets"], step["logits"], step["output"]) == (0, x.tolist(), [1, 0], [[0.0, 0.0]] * 2, [0, 0])
    assert step["loss"] == pytest.approx(np.log(2))
    np.testing.assert_allclose(step["gradient"]["output.linear.weight"], -slope, atol=1e-15)
    np.testing.assert_allclose(step["weights"]["output.linear.weight"], 0.5 * slope, atol=1e-15)
    assert step["weights"]["output.linear.weight"] == weights["output.linear.weight"].data.tolist()
    assert not of_kind(train(models.mlp(2, 2, widths=(8,)), x, y, optimiser=SGD(0.5), epochs=1, batch_size=2)[1], "trace")


@pytest.mark.parametrize("name", ["mlp", "lenet", "gru", "transformer"])
def test_scales_are_those_of_the_fast_side(name):
    rng, tokens = np.random.default_rng(0), {"vocabulary": 5, "outputs": 5, "per": "token"}
    ours, theirs, x = {
        "mlp": (models.mlp(6, 3, widths=(9, 9)), ("mlp", {"numbers": 6, "outputs": 3, "width": 9, "depth": 2}), rng.normal(size=(7, 6))),
        "lenet": (models.lenet(1, 12, 3), ("lenet", {"channels": 1, "size": 12, "classes": 3}), rng.normal(size=(4, 1, 12, 12))),
        "gru": (models.gru_language_model(5, width=6, hidden=4), ("gru", tokens | {"width": 4, "embedding": 6}), rng.integers(0, 5, (3, 8))),
        "transformer": (models.transformer_language_model(5, width=8, heads=2, hidden=12), None, rng.integers(0, 5, (3, 8))),
    }[name]
    weights = ours.weights(rng)
    y = rng.integers(0, 3, x.shape if name in ("gru", "transformer") else len(x))
    found = health.scales(ours, weights, x, y, cross_entropy)
    if theirs is None:  # each layer with a weight of its own once, in the order of the computation
        blocks = [f"blocks.{block}.{part}" for block in (0, 1) for part in ("self_attn.out_proj", "norm1", "linear1", "linear2", "norm2")]
        assert [layer["name"] for layer in found] == ["embedding", *blocks, "output"]
        return
    network = fast.build(*theirs).double().eval()
    network.load_state_dict({key: torch.tensor(w.data) for key, w in weights.items()})
    wanted = layer_scales(network, lambda: nn.functional.cross_entropy(network(torch.tensor(x)).flatten(0, -2), torch.tensor(y).flatten()), examples=len(x))
    assert [layer["name"] for layer in found] == [layer.name for layer in wanted]
    # The convolutions of the fast LeNet put out the four places of each pooling window together.
    for mine, other in list(zip(found, wanted, strict=True))[2 * (name == "lenet") :]:
        assert list(mine.values())[1:] == pytest.approx(list(asdict(other).values())[1:], rel=1e-5)


def test_rate_order_and_projection():
    x, y = blobs()
    optimiser = SGD(0.5)
    weights, events = train(models.softmax_regression(2, 3), x, y, optimiser=optimiser, epochs=2, batch_size=90, schedule="cosine", radius=0.5)
    assert [event["lr"] for event in events if event["event"] == "train"] == [0.5, 0.0] and optimiser.lr == 0.5
    assert np.linalg.norm(weights["output.linear.weight"].data) <= 0.5 + 1e-12
    again, _ = train(models.softmax_regression(2, 3), x, y, optimiser=SGD(0.1), epochs=3, batch_size=7, seed=3)
    same, _ = train(models.softmax_regression(2, 3), x, y, optimiser=SGD(0.1), epochs=3, batch_size=7, seed=3)
    assert all((again[name].data == same[name].data).all() for name in again)


def test_regression_measures():
    found = regression(np.array([[1.0], [2.0], [6.0]]), np.array([[1.0], [2.0], [3.0]]))
    assert found == pytest.approx({"rmse": 3**0.5, "mae": 1.0, "r2": -3.5, "loss": 3.0})
    assert np.isnan(regression(np.ones((2, 1)), np.ones((2, 1)))["r2"])


def test_bad_input():
    model = models.softmax_regression(2, 3)
    with pytest.raises(ValueError, match=r"train: x \(3, 2\) and y \(2,\) need as many rows"):
        train(model, np.zeros((3, 2)), np.zeros(2, dtype=int), optimiser=SGD(0.1), epochs=1, batch_size=2)
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 1 \(learning rate 0.1\); lower the rate"):
        train(model, np.full((2, 2), np.nan), np.array([0, 1]), optimiser=SGD(0.1), epochs=1, batch_size=2)
