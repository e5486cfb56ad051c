"""Errors many steps ahead: what is fed back, what it is compared with, and gaps that are known from both sides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import sonde
from sonde.cli.main import main
from sonde.data.contents import Examples
from sonde.data.prepare.series import SeriesPreparation
from sonde.errors import UsageError
from sonde.explain.ahead import ahead
from sonde.nn.recurrent_network import Sizes
from sonde.nn.recurrent_series import build_series
from sonde.run import Run


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The noisy sine from its last four values, solved for."""
    return sonde.train("noisy-sine", model="linear-regression", settings={"task.window": 4}, out=tmp_path_factory.mktemp("sine") / "run")


def test_predictions_take_the_place_of_what_follows(linear: Run) -> None:
    _, index, examples = linear.part("test")
    values = examples.frame["y"].to_numpy().astype(np.float32)
    found = ahead(linear, (1, 3), part="test")
    errors, plain = [], []
    for first in range(index[0], index[-1] - 1):
        window = values[first - 4 : first].tolist()
        for _ in range(3):
            with torch.no_grad():
                window.append(float(linear.task.predict(linear.model, (torch.tensor([window[-4:]]),))))
        errors.append(np.abs(np.array(window[4:]) - values[first : first + 3]))
        plain.append(np.abs(values[first - 1] - values[first : first + 3]))
    assert found.moments == len(errors) == 148
    assert found.errors == pytest.approx(np.mean(errors, 0)[[0, 2]], rel=1e-5)
    assert found.expected == pytest.approx(np.mean(plain, 0)[[0, 2]], rel=1e-5)
    assert [set(row) for row in found.rows()] == [{"steps", "mae", "persistence-mae", "skill"}] * 2


def test_one_step_ahead_is_what_evaluate_says(linear: Run) -> None:
    assert ahead(linear, (1,)).errors[0] == pytest.approx(linear.metrics["mae"], rel=1e-5)


def test_errors_of_the_noisy_sine_grow(linear: Run) -> None:
    near, _, _, far = ahead(linear).errors
    assert 0.1 < near < 0.2 < 0.3 < far


def test_several_steps_at_once_are_fed_back_together(tmp_path: Path) -> None:
    run = sonde.train("noisy-sine", model="linear-regression", settings={"task.window": 6, "task.horizon": 4}, out=tmp_path / "run")
    found = ahead(run, (1, 4, 6))
    assert found.steps == (1, 4, 6)
    _, index, examples = run.part("test")
    values = examples.frame["y"].to_numpy().astype(np.float32)
    errors = []
    for first in range(index[0] - 3, index[-1] - 4):
        past = torch.from_numpy(values[first - 6 : first])[None]
        with torch.no_grad():
            once = run.task.predict(run.model, (past,))
            again = run.task.predict(run.model, (torch.cat([past, once], 1)[:, -6:],))
        errors.append(abs(float(again[0, 1]) - values[first + 5]))
    assert found.moments == len(errors)
    assert found.errors[2] == pytest.approx(np.mean(errors), rel=1e-5)


def test_a_gap_is_filled_in_from_both_sides(tmp_path: Path) -> None:
    settings = {"task.window": 8, "task.after": 8, "task.horizon": 3}
    run = sonde.train("noisy-sine", model="linear-regression", settings=settings, out=tmp_path / "run")
    found = ahead(run, (1, 2, 3, 16))
    assert (found.steps, found.baseline) == ((1, 2, 3), "straight-line")
    assert all(mae < plain for mae, plain in zip(found.errors, found.expected, strict=True))
    told = json.loads((run.path / "figures" / "explain.json").read_text())["ahead"]
    assert [row["mae"] for row in told["rows"]] == pytest.approx(found.errors)
    assert "place in the gap" in (run.path / "report.html").read_text()


def test_windows_stand_around_their_gap() -> None:
    prep = SeriesPreparation("y", window=2, horizon=2, mean=0.0, std=1.0, after=3)
    (windows,) = prep.encode(Examples(pl.DataFrame({"y": np.arange(9.0)})))
    assert windows.shape == (9, 5)
    assert windows[4].tolist() == [1, 2, 5, 6, 7]  # the gap is 3, 4
    assert prep.valid((windows,)).tolist() == [False] * 3 + [True] * 3 + [False] * 3
    assert SeriesPreparation.from_json(prep.to_json()) == prep


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm"])
def test_recurrent_models_read_series_and_both_sides_of_a_gap(model: str) -> None:
    torch.manual_seed(0)
    sizes = Sizes(vocabulary=0, outputs=2, per="sequence", embedding=None, width=6, layers=2, bidirectional=False, dropout=0.0, tied=False)
    network = build_series(model, sizes, after=3).double()  # type: ignore[arg-type]
    values = torch.randn(4, 8, dtype=torch.float64)
    before = network(values)
    assert before.shape == (4, 2)
    for place in range(8):  # every value counts
        other = values.clone()
        other[:, place] += 1
        assert not torch.allclose(network(other), before)
    assert set(network.stages) == {"stage1", "stage2", "head"}


def test_the_command_line_shows_the_table(linear: Run, capsys: pytest.CaptureFixture[str]) -> None:
    looks = int(json.loads((linear.path / "looks.json").read_text())["test"])
    assert main(["evaluate", str(linear.path), "--ahead", "1,4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["steps"] for row in told["ahead"]] == [1, 4]
    assert json.loads((linear.path / "looks.json").read_text())["test"] == looks + 1
    assert main(["evaluate", str(linear.path), "--ahead", "1,x"]) == 2
    assert "give whole numbers from 1" in capsys.readouterr().err


def test_what_cannot_be_measured_is_refused(linear: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none of 1000 steps ahead .* 150 values\n.*smaller numbers"):
        ahead(linear, (1000,))
    other = sonde.train("iris", model="softmax-regression", epochs=1, out=tmp_path / "run")
    with pytest.raises(UsageError, match="does classification, and foretells no series"):
        ahead(other)
