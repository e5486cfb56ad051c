"""A real run's training, repeated on NumPy alone: the same curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sonde
from sonde.cli.main import main
from sonde.errors import RunError, UsageError
from sonde.verify.curves import twin


@pytest.mark.parametrize(
    "options",
    [
        {"model": "mlp", "optimizer": "adamw", "weight_decay": 0.1, "schedule": "one-cycle", "clip": 1.0},
        {"model": "softmax-regression", "optimizer": "momentum", "schedule": "cosine", "warmup": 0.2},
        {"model": "lenet", "optimizer": "sgd", "size": 16, "examples": 200},
    ],
)
def test_the_same_curve(tmp_path: Path, options: dict[str, Any]) -> None:
    run = sonde.train("digits", augment="none", epochs=2, batch_size=64, lr=0.01, compile=False, out=tmp_path / "run", **options)
    found = twin(run.path)
    assert [step for step, _ in found.fast] == [step for step, _ in found.scratch]
    assert len(found.fast) >= 2 and found.fast[-1][1] < found.fast[0][1]
    assert found.difference < 1e-5
    assert "the same training twice" in found.svg


def test_what_has_no_twin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"model.width": 8, "model.dropout": 0.5}
    run = sonde.train("digits", model="mlp", augment="none", epochs=1, examples=64, compile=False, out=tmp_path / "run", settings=settings)
    with pytest.raises(UsageError, match="dropout, whose draws differ, has no twin"):
        twin(run.path)
    with pytest.raises(RunError, match="there is no run here"):
        twin(tmp_path)
    assert main(["verify", "--curves", str(run.path)]) == 2
    assert "dropout" in capsys.readouterr().err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = sonde.train("digits", model="softmax-regression", augment="none", epochs=1, examples=200, compile=False, out=tmp_path / "run")
    assert main(["verify", "--curves", str(run.path), "--out", str(tmp_path / "c.svg"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["difference"] < 1e-5 and (tmp_path / "c.svg").exists()
