"""K-fold: every example is predicted once by a model that has not seen it."""

from __future__ import annotations

import os
import signal
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import sonde
from sonde.errors import DataError, Interrupted, RecipeError, RunError
from sonde.run import Run
from sonde.search.contest import is_public, play
from sonde.training.events import Event

ROWS, FOLDS = 92, 3
FLAGS: dict[str, Any] = {
    "target": "y",
    "id": "name",
    "folds": FOLDS,
    "epochs": 2,
    "batch_size": 16,
    "validation": 0.0,
    "compile": False,
    "settings": {"model.width": 8},
}


def table() -> pl.DataFrame:
    """Numbers of which one in seven is missing; `a` grows with the row, so that its mean differs from fold to fold."""
    draw = np.random.default_rng(0)
    a, b = np.arange(ROWS) + draw.normal(size=ROWS), draw.normal(size=ROWS)
    frame = pl.DataFrame({"name": [f"n{row}" for row in range(ROWS)], "a": a, "b": b, "y": a / 20 + b + draw.normal(size=ROWS) / 10})
    return frame.with_columns(pl.when(pl.int_range(ROWS) % 7 == 0).then(None).otherwise(pl.col("b")).alias("b"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "points.csv"
    table().write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    trained = sonde.train(source, out=tmp_path_factory.mktemp("runs") / "points", **FLAGS)
    return sonde.load(trained.path)


def test_folds_are_full_runs(run: Run) -> None:
    assert [fold.path.name for fold in run.folds] == ["1", "2", "3"]
    for fold in run.folds:
        assert {"recipe.toml", "model.json", "metrics.json", "events.jsonl", "report.html"} <= {path.name for path in fold.path.iterdir()}
        assert fold.recipe.data.fold == int(fold.path.name)
    assert run.recipe.data.fold is None
    assert run.recipe.data.folds == FOLDS


def test_held_out_parts_are_disjoint_and_complete(run: Run) -> None:
    held = [set(fold.part("test")[1].tolist()) for fold in run.folds]
    assert sorted(row for rows in held for row in rows) == list(range(ROWS))
    for fold, rows in zip(run.folds, held, strict=True):
        assert set(fold.part("train")[1].tolist()) == set(range(ROWS)) - rows


def test_every_row_is_predicted_once_by_a_fold_that_held_it_out(run: Run) -> None:
    rows = pl.read_parquet(run.path / "predictions.parquet")
    assert rows["example"].to_list() == list(range(ROWS))
    assert rows["name"].to_list() == table()["name"].to_list()
    assert rows["part"].unique().to_list() == ["out-of-fold"]
    np.testing.assert_allclose(rows["target"], table()["y"], rtol=1e-6)
    for number, fold in enumerate(run.folds, start=1):
        theirs = rows.filter(pl.col("fold") == number)
        assert theirs["example"].to_list() == sorted(fold.part("test")[1].tolist())
        own = fold.predict(table())["prediction"].to_numpy()[theirs["example"].to_numpy()]
        np.testing.assert_allclose(theirs["prediction"], own, rtol=1e-4, atol=1e-5)


def test_mean_and_deviation_are_those_of_the_folds(run: Run) -> None:
    found = run.metrics_file
    each = [fold.metrics_file["test"] for fold in run.folds]
    assert found["folds"] == each
    for name in ("rmse", "mae", "r2"):
        assert found["mean"][name] == pytest.approx(statistics.fmean(fold[name] for fold in each))
        assert found["sd"][name] == pytest.approx(statistics.stdev(fold[name] for fold in each))
    assert run.metrics == found["mean"]
    assert found["examples"]["test"] == ROWS


def test_out_of_fold_measures_are_those_of_the_predictions(run: Run) -> None:
    rows = pl.read_parquet(run.path / "predictions.parquet")
    errors = rows["prediction"].to_numpy() - rows["target"].to_numpy()
    whole = run.metrics_file["out_of_fold"]
    assert whole["rmse"] == pytest.approx(float(np.sqrt(np.square(errors).mean())), rel=1e-5)
    assert whole["mae"] == pytest.approx(float(np.abs(errors).mean()), rel=1e-5)


def test_preprocessing_is_fitted_inside_each_fold(run: Run) -> None:
    a = table()["a"].to_numpy()
    for fold in run.folds:
        kept = a[fold.part("train")[1]]
        assert fold.preparation.normalisation["mean"][0] == pytest.approx(kept.mean(), rel=1e-5)
    assert len({fold.preparation.normalisation["mean"][0] for fold in run.folds}) == FOLDS


def test_new_rows_are_predicted_by_the_mean_of_the_folds(run: Run) -> None:
    new = table().drop("y")[:5]
    each = np.stack([fold.predict(new)["prediction"].to_numpy() for fold in run.folds])
    np.testing.assert_allclose(run.predict(new)["prediction"], each.mean(0), rtol=1e-5)


def test_evaluating_takes_what_each_fold_held_out(run: Run, source: Path) -> None:
    looks = run.look()
    found = run.evaluate()
    assert found["metrics"] == pytest.approx(run.metrics_file["out_of_fold"], rel=1e-5)
    assert found["examples"] == ROWS
    assert found["notes"] == ["each example was predicted by the fold that had not seen it"]
    assert run.look() == looks + 2
    with pytest.raises(RunError, match="a K-fold has no validation part of its own") as caught:
        run.evaluate(part="validation")
    assert caught.value.remedy is not None and "folds/1" in caught.value.remedy


def test_evaluating_new_rows_takes_the_mean_of_the_folds(run: Run) -> None:
    new = table()[:20]
    found = run.evaluate(new)
    errors = run.predict(new)["prediction"].to_numpy() - new["y"].to_numpy()
    assert found["metrics"]["rmse"] == pytest.approx(float(np.sqrt(np.square(errors).mean())), rel=1e-5)
    assert "not the data that the run was trained with" in found["notes"][0]


def test_report_and_description_stand_in_the_parent(run: Run) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "out of fold" in page
    assert "parameters" in run.description
    assert (run.path / "figures" / "explain.json").exists()


def test_resuming_with_more_epochs_goes_on_with_every_fold(source: Path, tmp_path: Path) -> None:
    first = sonde.train(source, out=tmp_path / "run", **FLAGS | {"folds": 2, "epochs": 1})
    longer = sonde.train(resume=first.path, epochs=2)
    assert [fold.metrics_file["epochs"] for fold in longer.folds] == [2, 2]
    assert sonde.load(first.path).recipe.training.epochs == 2
    assert not (first.path / "checkpoints").exists()


def test_a_stopped_k_fold_goes_on(source: Path, tmp_path: Path) -> None:
    """Stopped in the second fold: the first is kept, the second goes on, the third begins; the result is the same."""
    flags = FLAGS | {"epochs": 1, "settings": {"model.width": 8, "training.save_every": 1e-9}}
    whole = sonde.train(source, out=tmp_path / "whole", **flags)
    told: list[str] = []

    def stop(event: Event) -> None:
        told.append(event.get("message", ""))
        if event["event"] == "start" and "fold 2 of 3" in told:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="fold 2 of 3: stopped by SIGTERM at step") as caught:
        sonde.train(source, out=tmp_path / "stopped", listen=[stop], **flags)
    assert caught.value.where == str(tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "folds" / "3").exists()
    with pytest.raises(RunError, match="there is a run in this folder already"):
        sonde.train(source, out=tmp_path / "stopped", **flags)
    first = (tmp_path / "stopped" / "folds" / "1" / "metrics.json").stat().st_mtime_ns
    resumed = sonde.train(resume=tmp_path / "stopped")
    assert (tmp_path / "stopped" / "folds" / "1" / "metrics.json").stat().st_mtime_ns == first
    assert resumed.metrics_file["out_of_fold"] == pytest.approx(whole.metrics_file["out_of_fold"], rel=1e-6)
    for one, other in zip(whole.folds, resumed.folds, strict=True):
        for name, weight in one.model.state_dict().items():
            assert torch.equal(weight, other.model.state_dict()[name]), (one.path, name)


def test_classes_are_stratified_and_validation_comes_from_the_training_part(tmp_path: Path) -> None:
    frame = table().with_columns(pl.Series("y", ["yes" if row % 3 else "no" for row in range(ROWS)]))
    run = sonde.train(frame, out=tmp_path / "run", **FLAGS | {"folds": 2, "epochs": 1, "validation": 0.2})
    shares = []
    for fold in run.folds:
        parts = {name: set(fold.part(name)[1].tolist()) for name in ("train", "validation", "test")}
        assert sum(len(rows) for rows in parts.values()) == len(set().union(*parts.values())) == ROWS
        shares.append(sum(row % 3 == 0 for row in parts["test"]) / len(parts["test"]))
    assert shares == pytest.approx([1 / 3, 1 / 3], abs=0.02)
    rows = pl.read_parquet(run.path / "predictions.parquet")
    np.testing.assert_allclose(rows["probability:no"] + rows["probability:yes"], 1, atol=1e-6)


def test_one_fold_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="one fold holds everything out and leaves nothing to train on"):
        sonde.train(source, out=tmp_path / "run", **FLAGS | {"folds": 1})
    assert not (tmp_path / "run").exists()


def test_a_contest_has_a_public_and_a_private_score(run: Run, source: Path, tmp_path: Path) -> None:
    public, private = play(run, source, public=0.3)
    assert public.examples + private.examples == ROWS
    assert 15 < public.examples < 40
    whole = run.evaluate(source)["metrics"]["rmse"]
    both = (public.examples * public.metrics["rmse"] ** 2 + private.examples * private.metrics["rmse"] ** 2) / ROWS
    assert both**0.5 == pytest.approx(whole, rel=1e-5)
    assert public.metrics["rmse"] != pytest.approx(private.metrics["rmse"], rel=1e-3)
    table().sample(fraction=1.0, shuffle=True, seed=1).write_csv(tmp_path / "shuffled.csv")  # ids decide, not places
    assert play(run, tmp_path / "shuffled.csv", public=0.3)[0].metrics["rmse"] == pytest.approx(public.metrics["rmse"], rel=1e-5)
    called = [f"n{row}" for row in range(4000)]
    assert is_public(called, 0.3).mean() == pytest.approx(0.3, abs=0.02)
    assert not (is_public(called, 0.2) & ~is_public(called, 0.3)).any()  # a larger share adds to the smaller one
    table().head(2).write_csv(tmp_path / "few.csv")
    with pytest.raises(DataError, match=r"of 2 examples none falls into the public part with a public share of 0.01\n.*another --public"):
        play(run, tmp_path / "few.csv", public=0.01)
