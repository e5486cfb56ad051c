"""The doctor's page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from report import sample_run
from report.checker import check
from sonde.errors import RunError
from sonde.report.data_page import write_data_page


def findings(run: Path) -> dict[str, object]:
    return json.loads((run / "data.json").read_text())


def test_pictures_classes_and_task(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    out = write_data_page(findings(run), run, tmp_path / "new" / "data.html")
    page = check(out)
    words = " ".join(page.text.split())
    assert "1,797 pictures of 8 × 8 with 10 labels." in words
    assert "Ready to train, with something to look at: 1 warning." in words
    assert "classification of label" in words
    assert "To choose otherwise: --task" in words
    assert page.count("img") == 24
    assert "All classes are about equally frequent." in words


def test_problems_are_grouped_and_can_be_filtered(tmp_path: Path) -> None:
    data = findings(sample_run.regression(tmp_path / "run"))
    bad = [
        {
            "level": "error",
            "where": f"houses.csv, line {line}, column 'lot'",
            "found": f"'{line} sq ft' is no number",
            "remedy": "write a number",
        }
        for line in range(20, 40)
    ]
    page = check(write_data_page({**data, "problems": [*data["problems"], *bad]}, tmp_path, tmp_path / "data.html"))  # type: ignore[misc]
    words = " ".join(page.text.split())
    assert "Not ready to train: 20 errors, 1 warning, 2 notes." in words
    assert "20 times: '20 sq ft' is no number" in words
    assert "12 more places" in words
    assert "houses.csv, line 39, column 'lot'" in words
    assert [values.get("id") for name, values in page.tags if name == "input"] == [
        "level-all",
        "level-error",
        "level-warning",
        "level-note",
    ]
    assert words.index("20 times") < words.index("gives the target away")


def test_a_series(tmp_path: Path) -> None:
    run = sample_run.forecasting(tmp_path / "run")
    page = check(write_data_page(findings(run), run, tmp_path / "data.html"))
    assert "Ready to train: nothing wrong was found." in page.text
    assert page.count("svg", kind="chart") == 1
    assert "one value every" in page.text


def test_no_findings_at_all(tmp_path: Path) -> None:
    check(write_data_page({}, tmp_path, tmp_path / "data.html"))


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="page could not be written"):
        write_data_page({}, tmp_path, tmp_path)
