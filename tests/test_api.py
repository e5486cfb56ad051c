"""The Python face: the same names, defaults and results as the command line, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import sonde
from sonde.errors import RecipeError, RunError, UsageError
from sonde.recipe import Recipe


def frame(rows: int = 160) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 2))
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x.sum(1) > 0, "yes", "no")})


SMALL: dict[str, Any] = {"target": "y", "epochs": 2, "batch_size": 32, "compile": False, "settings": {"model.width": 8}}


def test_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert sonde.__version__ == version("sonde")


def test_import_is_lazy() -> None:
    script = "import sonde, sys; print(sorted({'torch', 'pydantic', 'numpy', 'polars', 'rich', 'cyclopts'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60).stdout == "[]\n"


def test_a_frame_and_a_file_give_the_same_run(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    table = frame()
    table.write_csv(tmp_path / "points.csv")
    first = sonde.train(table, out=tmp_path / "frame", listen=[events.append], **SMALL)
    second = sonde.train(str(tmp_path / "points.csv"), out=tmp_path / "file", **SMALL)
    assert first.metrics == second.metrics
    assert {"start", "train", "evaluate", "stop"} <= {event["event"] for event in events}
    loaded = sonde.load(tmp_path / "frame")
    assert loaded.metrics == first.metrics
    assert loaded.predict(table).equals(first.predict(table.to_pandas()))


def test_pandas_arrays_and_recipes(tmp_path: Path) -> None:
    table = frame(80)
    assert sonde.train(pd.DataFrame(table.to_dict(as_series=False)), out=tmp_path / "pandas", **SMALL).metrics
    arrays = (table.select("a", "b").to_numpy(), (table["y"] == "yes").to_numpy().astype(np.int64))
    assert sonde.train(arrays, out=tmp_path / "arrays", **{**SMALL, "target": None}).metrics
    table.write_csv(tmp_path / "points.csv")
    recipe = Recipe().replace(data={"path": str(tmp_path / "points.csv"), "target": ("y",)}, training={"epochs": 1, "compile": False})
    assert sonde.train(recipe, out=tmp_path / "recipe", seed=4).recipe.training.seed == 4


def test_resume(tmp_path: Path) -> None:
    frame().write_csv(tmp_path / "points.csv")
    run = sonde.train(str(tmp_path / "points.csv"), out=tmp_path / "run", **SMALL)
    longer = sonde.train(resume=run.path, epochs=3)
    assert longer.metrics_file["epochs"] == 3
    assert longer.recipe.training.epochs == 3


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        ({"epochs": -1}, RecipeError, "training.epochs = -1"),
        ({"settings": {"optim.lrr": 1}}, RecipeError, "--set does not know 'optim.lrr'"),
        ({"resume": "runs/a", "lr": 0.1}, UsageError, "--lr cannot be changed while a run goes on"),
        ({"resume": "runs/a", "out": "b"}, UsageError, "--out cannot be changed while a run goes on"),
        ({"resume": "runs/a"}, RunError, "there is no such run"),
    ],
)
def test_mistakes(flags: dict[str, Any], error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        sonde.train(**flags)


def test_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError, match="epocs"):
        sonde.train("digits", epocs=3)  # type: ignore[call-arg]


def test_no_run() -> None:
    with pytest.raises(RunError, match="there is no such run"):
        sonde.load("runs/never")
