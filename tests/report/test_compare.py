"""The page of a comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from report import sample_run
from report.checker import check
from sonde.errors import RunError
from sonde.explain.compare import compare, vary_summary
from sonde.report.compare import write_comparison


def test_runs_beside_each_other(tmp_path: Path) -> None:
    runs = [sample_run.regression(tmp_path / name) for name in ("good", "by-heart")]
    metrics = json.loads((runs[1] / "metrics.json").read_text())
    metrics["train"]["rmsle"], metrics["validation"]["rmsle"] = 0.01, 0.2
    sample_run.write(runs[1], "metrics.json", metrics)
    runs.append(sample_run.folds(tmp_path / "folds"))
    found = compare(runs)
    page = check(write_comparison(found, tmp_path / "comparison.html"))
    words = " ".join(page.text.split())
    assert "Take good : it has the lowest rmsle on the validation part" in words
    assert "On the test part, which had no say in this, it reaches 0.1312" in words
    assert "over-fits" in words
    assert "0.1296 ± 0.0030" in words
    assert "looked at 3 times" in words
    assert page.count("circle", kind="ring") == 3 + 3 + 2
    assert page.count("span", kind="best") == 1


def points(values: list[object]) -> list[dict[str, object]]:
    shares = [(0.71, 0.70), (0.94, 0.92), (1.0, 0.85)]
    return [
        {
            "value": value,
            "metric": "accuracy",
            "better": "higher",
            "train": {"accuracy": a},
            "validation": {"accuracy": b},
            "parameters": 10,
            "examples": 5000,
        }
        for value, (a, b) in zip(values, shares, strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "shown"), [([8, 32, 512], "32"), ([0.001, 0.01, 0.1], "0.01"), (["sgd", "adam", "<b>"], "adam"), ([True, False, 3], "False")]
)
def test_one_value_over_a_range(values: list[object], shown: str, tmp_path: Path) -> None:
    found = {"key": "model.width", **vary_summary(points(values))}
    page = check(write_comparison(found, tmp_path / "comparison.html"))
    words = " ".join(page.text.split())
    assert f"{shown} is the model.width to pick" in words
    assert f"pick {shown}" in words
    assert "under-fits" in words
    assert "over-fits" in words
    assert page.count("svg", kind="chart") == 1


def test_a_range_in_which_everything_failed(tmp_path: Path) -> None:
    failed = [{**point, "train": {}, "validation": {"accuracy": float("nan")}} for point in points([1, 2, 3])]
    page = check(write_comparison({"key": "lr", **vary_summary(failed)}, tmp_path / "comparison.html"))
    assert "nothing can be picked" in page.text


def test_nothing_to_compare(tmp_path: Path) -> None:
    assert "No run can be picked" in check(write_comparison({}, tmp_path / "comparison.html")).text
    with pytest.raises(RunError, match="page could not be written"):
        write_comparison({}, tmp_path)
