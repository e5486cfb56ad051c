"""Which run to pick, which under- and over-fit, and what makes a comparison unsafe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sonde.errors import RunError
from sonde.explain.compare import Errors, compare, judge, vary_summary


def run(
    folder: Path, name: str, *, train: float, validation: float | None, test: float | None = None, metric: str = "accuracy", **more: Any
) -> Path:
    path = folder / name
    path.mkdir()
    parts = {"train": train, "validation": validation, "test": test}
    metrics: dict[str, Any] = {"format": 1, "monitor": metric, "better": "lower" if metric in ("rmse", "loss") else "higher"}
    metrics |= {part: {metric: value} for part, value in parts.items() if value is not None}
    metrics |= {"examples": {"validation": more.get("examples", 10_000)}, "seconds": {"total": 2.5}}
    model = {
        "format": 1,
        "model": {"name": more.get("model", "mlp"), "config": {}},
        "parameters": 10,
        "fingerprint": more.get("fingerprint", "a"),
    }
    (path / "metrics.json").write_text(json.dumps(metrics | more.get("metrics", {})))
    (path / "model.json").write_text(json.dumps(model))
    (path / "looks.json").write_text(json.dumps({"format": 1, "test": more.get("looks", 1)}))
    return path


def test_the_pick_is_made_by_validation_and_never_by_test(tmp_path: Path) -> None:
    a = run(tmp_path, "a", train=0.95, validation=0.93, test=0.91)
    b = run(tmp_path, "b", train=0.95, validation=0.92, test=0.99)
    found = compare([a, b])
    assert found["pick"]["name"] == "a"
    assert "highest accuracy on the validation part: 0.93" in found["pick"]["why"]
    assert [row["unseen"] for row in found["rows"]] == [0.91, 0.99]
    without = compare([run(tmp_path, "c", train=0.9, validation=0.93), run(tmp_path, "d", train=0.9, validation=0.92)])
    assert without["pick"]["name"] == "c"


def test_under_and_over_fitting_are_named(tmp_path: Path) -> None:
    small = run(tmp_path, "small", train=0.80, validation=0.79)
    right = run(tmp_path, "right", train=0.95, validation=0.92)
    large = run(tmp_path, "large", train=1.00, validation=0.88)
    equal = run(tmp_path, "equal", train=0.94, validation=0.919)
    found = compare([small, right, large, equal])
    verdicts = {row["name"]: row["verdict"] for row in found["rows"]}
    assert verdicts == {"small": "under-fits", "right": "best", "large": "over-fits", "equal": "as good"}
    why = {row["name"]: row["why"] for row in found["rows"]}
    assert why["large"] == "validation error 0.12 against 0.08, though its training error 0 against 0.05"


def test_errors_that_are_lower_when_better(tmp_path: Path) -> None:
    runs = [run(tmp_path, name, train=t, validation=v, metric="rmse") for name, t, v in (("a", 3.0, 3.1), ("b", 2.0, 2.2), ("c", 0.5, 2.9))]
    found = compare(runs)
    assert found["pick"]["name"] == "b"
    assert [row["verdict"] for row in found["rows"]] == ["under-fits", "best", "over-fits"]


def test_a_difference_that_chance_makes_is_none() -> None:
    errors = [Errors(0.10, 0.10), Errors(0.10, 0.12)]
    assert judge(errors, 0, metric="accuracy", examples=100)[1][0] == "as good"
    assert judge(errors, 0, metric="accuracy", examples=100_000)[1][0] == "over-fits"
    # A best run without a mistake has no standard error: one mistake among 50 is chance all the same.
    assert judge([Errors(0.0, 0.0), Errors(0.0, 0.02)], 0, metric="accuracy", examples=50)[1][0] == "as good"


def test_a_best_run_that_knows_the_training_part_by_heart_is_told_so(tmp_path: Path) -> None:
    found = compare([run(tmp_path, "a", train=1.0, validation=0.9), run(tmp_path, "b", train=0.8, validation=0.7)])
    assert found["rows"][0]["verdict"] == "best"
    assert "more data or regularisation may help" in found["rows"][0]["why"]
    assert found["rows"][0]["gap"] == pytest.approx(1.0)


def test_folds_stand_for_validation(tmp_path: Path) -> None:
    folds = {"mean": {"accuracy": 0.9}, "sd": {"accuracy": 0.01}}
    found = compare([run(tmp_path, "a", train=0.95, validation=None, metrics=folds), run(tmp_path, "b", train=0.9, validation=0.85)])
    assert found["rows"][0]["validation"] == 0.9
    assert found["rows"][0]["sd"] == 0.01
    assert found["pick"]["name"] == "a"
    assert any("K-fold" in note for note in found["notes"])


def test_without_a_validation_part_nothing_is_picked(tmp_path: Path) -> None:
    found = compare([run(tmp_path, "a", train=0.9, validation=None, test=0.9)])
    assert found["pick"] is None
    assert found["rows"][0]["verdict"] == "not judged"
    assert any("the test part is not for choosing" in note for note in found["notes"])


def test_several_looks_at_the_test_part_and_other_data_are_said(tmp_path: Path) -> None:
    a = run(tmp_path, "a", train=0.9, validation=0.9, test=0.9, looks=3)
    b = run(tmp_path, "b", train=0.9, validation=0.8, test=0.9, fingerprint="other")
    notes = compare([a, b])["notes"]
    assert any("the test part of a was looked at 3 times" in note for note in notes)
    assert any("not trained on the same data" in note for note in notes)
    assert not any("test part of b" in note for note in notes)


def test_runs_of_different_measures_are_refused(tmp_path: Path) -> None:
    a = run(tmp_path, "a", train=0.9, validation=0.9)
    b = run(tmp_path, "b", train=3.0, validation=3.0, metric="rmse")
    with pytest.raises(RunError, match="measured by rmse, the first one by accuracy"):
        compare([a, b])


def test_folders_that_are_no_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no such run"):
        compare([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"there is no metrics\.json here"):
        compare([tmp_path / "empty"])
    broken = run(tmp_path, "broken", train=1, validation=1)
    (broken / "metrics.json").write_text("{")
    with pytest.raises(RunError, match="this file is damaged"):
        compare([broken])
    newer = run(tmp_path, "newer", train=1, validation=1, metrics={"format": 2})
    with pytest.raises(RunError, match="of format 2; this Sonde reads up to 1"):
        compare([newer])
    with pytest.raises(RunError, match="no run was given"):
        compare([])


def points(values: list[tuple[int, float, float]], **more: Any) -> list[dict[str, Any]]:
    return [
        {"value": v, "metric": "rmse", "better": "lower", "train": {"rmse": t}, "validation": {"rmse": e}, **more} for v, t, e in values
    ]


def test_a_capacity_curve_names_both_sides_and_the_minimum() -> None:
    found = vary_summary(points([(1, 5.0, 5.2), (8, 2.0, 2.4), (32, 1.0, 1.5), (512, 0.1, 2.6)]))
    assert found["best"] == 32
    assert found["under_fitting"] == [1, 8]
    assert found["over_fitting"] == [512]
    assert "the best rmse on the validation part is 1.5, at 32" in found["message"]
    assert "under-fitting (worse on training and validation): 1, 8" in found["message"]
    assert "over-fitting (as good on training, worse on validation): 512" in found["message"]
    assert "end of the range" not in found["message"]


def test_a_minimum_at_the_end_of_the_range_is_said() -> None:
    found = vary_summary(points([(1, 5.0, 5.2), (8, 2.0, 2.4), (32, 1.0, 1.5)]))
    assert found["best"] == 32
    assert found["message"].endswith("the best value is at the end of the range: try beyond it")


def test_a_diverged_value_does_not_win() -> None:
    found = vary_summary(points([(1, 1.0, 1.0), (2, float("nan"), float("nan"))]))
    assert found["best"] == 1
    assert found["points"][1]["verdict"] == "not judged"


def test_without_validation_a_range_has_no_best_value() -> None:
    found = vary_summary([{"value": 1, "metric": "rmse", "better": "lower", "train": {"rmse": 1.0}, "validation": None}])
    assert found["best"] is None
    assert found["message"] == "there is no validation part, so nothing can be picked"
    with pytest.raises(ValueError, match="at least one point"):
        vary_summary([])


def test_comparing_needs_no_torch() -> None:
    code = "import sys, sonde.explain.compare; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
