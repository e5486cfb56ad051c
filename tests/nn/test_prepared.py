"""Normalisation and the module that carries it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sonde.errors import UsageError
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared, finisher, own_losses, starter

IMAGES = {"kind": "images", "mean": [0.5, 0.25, 0.0], "std": [0.25, 0.5, 0.0]}


def test_pictures_bytes_and_floats_alike() -> None:
    pictures = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    module = normaliser(IMAGES)
    (result,) = module(pictures)
    expected = (pictures.double() / 255 - torch.tensor([0.5, 0.25, 0.0]).view(3, 1, 1)) / torch.tensor([0.25, 0.5, 1.0]).view(3, 1, 1)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(module(pictures.float())[0], result)
    (wide,) = module.double()(pictures)
    torch.testing.assert_close(wide, expected, rtol=1e-6, atol=1e-6)


def test_pictures_keep_their_memory_order() -> None:
    pictures = torch.zeros(2, 3, 4, 5, dtype=torch.uint8).to(memory_format=torch.channels_last)
    assert normaliser(IMAGES)(pictures)[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 4, 8, 8), (3, 8, 8)])
def test_pictures_of_other_channels_are_refused_and_not_stretched(shape: tuple[int, ...]) -> None:
    message = rf"the model reads pictures of 3 channels, and got a batch of shape {re.escape(str(shape))}\n.*give 3 on the second axis"
    with pytest.raises(UsageError, match=message):
        Prepared(normaliser(IMAGES), nn.Flatten())(torch.zeros(shape))
    grey = normaliser({"kind": "images", "mean": [0.5], "std": [0.25]})
    with pytest.raises(UsageError, match="the model reads pictures of 1 channel, and got"):
        grey(torch.zeros(2, 3, 8, 8))


def test_channels_are_no_part_of_an_exported_or_compiled_graph() -> None:
    pictures = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    module = normaliser(IMAGES)
    program = torch.export.export(module, (pictures,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert [each for each in called if not each.startswith("aten._assert")] == ["aten.to.dtype", "aten.addcmul.default"]
    whole = torch.compile(module, fullgraph=True, backend="eager")
    assert torch.equal(whole(pictures)[0], module(pictures)[0])


def test_series() -> None:
    (result,) = normaliser({"kind": "series", "mean": 4.0, "std": 2.0})(torch.tensor([[4.0, 8.0]]))
    assert result.tolist() == [[0, 2]]
    assert normaliser({"kind": "series", "mean": [4.0], "std": [0.0]})(torch.tensor([[5.0]]))[0].item() == 1


def test_table_by_hand() -> None:
    module = normaliser({"kind": "table", "mean": [1.0, 0.0, 5.0], "std": [2.0, 1.0, 0.0], "log": [False, True, False], "indicators": [2, 0]})
    nan = float("nan")
    numbers, categories = module(torch.tensor([[3.0, -(np.e - 1), 5.0], [nan, 0.0, nan]]), torch.tensor([[1], [2]]))
    torch.testing.assert_close(numbers, torch.tensor([[1.0, -1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0]]))
    assert categories.tolist() == [[1], [2]]


def test_table_clips_where_told() -> None:
    module = normaliser({"kind": "table", "mean": [0.0], "std": [1.0], "clip": 10.0})
    assert module(torch.tensor([[1e6], [-50.0], [3.0]]))[0].tolist() == [[10], [-10], [3]]


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(0, 6), columns=st.integers(0, 5), seed=st.integers(0, 99))
def test_table_gives_finite_numbers_for_any_gap(rows: int, columns: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(rows, columns)) * 10.0 ** draw.integers(-3, 9, columns)
    values[draw.random((rows, columns)) < 0.3] = np.nan
    table = {
        "kind": "table",
        "mean": draw.normal(size=columns).tolist(),
        "std": draw.random(columns).tolist(),
        "log": (draw.random(columns) < 0.5).tolist(),
        "indicators": [place for place in range(columns) if draw.random() < 0.5],
    }
    (result,) = normaliser(table)(torch.tensor(values, dtype=torch.float32))
    assert result.shape == (rows, columns + len(table["indicators"]))
    assert result.isfinite().all()


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="kind 'sound': known are images, series, table and tokens"):
        normaliser({"kind": "sound"})


class _Solved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean

    def losses(self, inputs: tuple[Tensor, ...], targets: Tensor) -> tuple[dict[str, tuple[Tensor, str]], Tensor]:
        y = self(*inputs)
        return {"loss": ((y - targets).square().sum(), "examples")}, y

    def finish(self, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]], emit: Callable[[dict[str, Any]], None]) -> None:
        passes = [torch.cat([x for (x,), _ in batches]).mean() for _ in range(2)]
        self.mean.data = passes[0]
        emit({"event": "model", "same": bool(passes[0] == passes[1])})


def test_prepared_normalises_before_everything() -> None:
    model = Prepared(normaliser({"kind": "series", "mean": 10.0, "std": 2.0}), _Solved())
    raw = torch.tensor([[10.0], [14.0]])
    assert model(raw).tolist() == [[0], [2]]
    losses = own_losses(model)
    assert losses is not None
    terms, output = losses((raw,), torch.zeros(2, 1))
    assert (terms["loss"][0].item(), terms["loss"][1], output.tolist()) == (4, "examples", [[0], [2]])
    finish, events = finisher(model), []
    assert finish is not None
    finish([((raw[:1],), torch.zeros(1)), ((raw[1:],), torch.zeros(1))], events.append)
    assert model.network.mean.item() == 1
    assert events == [{"event": "model", "same": True}]


def test_other_models_have_neither() -> None:
    model = Prepared(normaliser({"kind": "series", "mean": 0.0, "std": 1.0}), nn.Linear(2, 1))
    assert own_losses(model) is None
    assert finisher(model) is None
    assert own_losses(nn.Linear(2, 1)) is None
    assert finisher(nn.Linear(2, 1)) is None
    assert own_losses(_Solved()) is not None
    assert finisher(_Solved()) is not None


def test_normalisation_is_part_of_what_is_saved() -> None:
    keys = set(Prepared(normaliser(IMAGES), nn.Linear(2, 1)).state_dict())
    assert keys == {"normalise.scale", "normalise.shift", "network.weight", "network.bias"}


class Fitted(nn.Module):
    """Keeps the mean of what it was given before training."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor | None = None

    def start(self, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]]) -> None:
        self.mean = torch.cat([inputs[0] for inputs, _ in batches]).mean()


def test_a_start_sees_normalised_inputs() -> None:
    raw = torch.full((2, 3, 1, 1), 255, dtype=torch.uint8)
    network = Fitted()
    start = starter(Prepared(normaliser(IMAGES), network))
    assert start is not None
    start([((raw[:1],), torch.zeros(1)), ((raw[1:],), torch.zeros(1))])
    assert network.mean == normaliser(IMAGES)(raw)[0].mean()
    assert starter(Prepared(normaliser(IMAGES), nn.Flatten())) is None
    assert starter(nn.Flatten()) is None
