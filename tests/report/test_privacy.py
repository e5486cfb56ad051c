"""Without examples a report tells of no single one: planted values must not be found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from report import sample_run
from report.checker import check
from sonde.report.data_page import write_data_page
from sonde.report.page import write_report

WORD = "PLANTED"
NUMBER = 7654321.125
SHOWN = ("7,654,321", "7654321", "7.654", "7,654k", "7.65M", "7.7M", "8M")


def planted(run: Path) -> list[str]:
    """Plant words, numbers and pictures wherever single examples show; what must not be found afterwards."""
    picture = sample_run.png([[1, 2, 3], [4, 5, 6]])
    (run / "figures" / "data-0.png").write_bytes(picture)
    for file in (run / "figures").glob("*.png"):
        file.write_bytes(picture)
    data = json.loads((run / "data.json").read_text())
    data |= {
        "origin": f"/home/{WORD}/a.csv",
        "reason": f"{WORD} reason",
        "notes": [f"{WORD} note"],
        "problems": [{"level": "warning", "where": f"{WORD}.csv, line 7", "found": f"{WORD} is odd", "remedy": f"mend {WORD}"}],
    }
    data.setdefault("task", {})["reason"] = f"{WORD} told so"
    data["columns"] = [
        {
            "name": "income", "type": "number", "role": "feature", "why": f"like {WORD}", "missing": 1, "distinct": 9, "min": -NUMBER, "max": NUMBER,
            "mean": 3.0, "std": 1.0, "histogram": {"edges": [-NUMBER, 0.0, NUMBER], "counts": [1, 2]},
        },
        {"name": "town", "type": "category", "role": "feature", "missing": 0, "distinct": 3, "top": [[f"{WORD} town", 12], ["b", 3]]},
        {"name": "name", "type": "text", "role": "left-out", "missing": 0, "distinct": 3, "sample": [f"{WORD} Smith", "b"]},
    ]  # fmt: skip
    data["series"] = {
        "start": f"{WORD} start",
        "end": f"{WORD} end",
        "step": "1 day",
        "gaps": 0,
        "points": [["2021-01-26", NUMBER], ["2021-01-27", 1.0]],
    }
    data["pictures"] = {
        "count": 3,
        "sizes": [[8, 8, 3]],
        "modes": {"L": 3},
        "thumbnails": [{"file": "figures/data-0.png", "label": f"{WORD} label"}],
    }
    sample_run.write(run, "data.json", data)
    explained = json.loads((run / "figures" / "explain.json").read_text())
    worst = {
        "example": 3,
        "name": f"{WORD} row",
        "target": f"{WORD} truth",
        "prediction": f"{WORD} answer",
        "loss": 2.0,
        "probability": 0.9,
    }
    explained |= {
        "worst": [{**worst, "picture": "figures/data-0.png", "row": None}, {**worst, "picture": None, "row": {"name": f"{WORD} cell"}}],
        "residuals": {"target": [1.0, NUMBER, 2.0], "prediction": [1.5, NUMBER + 1, 2.5]},
        "forecast": {"when": ["2021-01-26", "2021-01-27"], "target": [NUMBER, 1.0], "prediction": [1.0, NUMBER]},
        "pairs": [
            {
                "target": "8",
                "prediction": "1",
                "count": 2,
                "of": 27,
                "examples": [{"name": f"{WORD} row", "probability": 0.9, "picture": "figures/data-0.png"}],
            }
        ],
        "saliency": {
            "method": "grad-cam",
            "stage": "stage1",
            "examples": [
                {
                    **worst,
                    "picture": "figures/data-0.png",
                    "maps": [{"class": f"{WORD} answer", "file": "figures/data-0.png"}],
                    "activations": [{"stage": "stem", "file": "figures/data-0.png", "of": 6, "height": 4, "width": 4}],
                }
            ],
        },
        "boundary": {
            "columns": ["a", "b"],
            "classes": ["0", "1"],
            "xs": [0.0, NUMBER],
            "ys": [0.0, NUMBER],
            "grid": [[0, 1], [1, 0]],
            "points": [[NUMBER, 1.0, 0]],
        },
    }
    sample_run.write(run, "figures/explain.json", explained)
    sample_run.write(
        run, "environment.json", {"python": "3.11", "user": f"{WORD} user", "host": {"name": f"{WORD} host"}, "path": f"/{WORD}"}
    )
    extra: list[dict[str, Any]] = [
        {"event": "note", "message": f"{WORD} was left out"},
        {
            "event": "trace",
            "step": 1,
            "inputs": [[NUMBER]],
            "targets": [1],
            "logits": [[0.5]],
            "output": [1],
            "loss": 0.1,
            "gradient": {},
            "weights": {},
        },
    ]
    with (run / "events.jsonl").open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in extra)
    return [WORD, *SHOWN, base64.b64encode(picture).decode()]


def leaks(page: Path, values: list[str]) -> list[str]:
    source = page.read_text(encoding="utf-8")
    return [value for value in values if value in source]


@pytest.mark.parametrize("kind", ["images", "regression"])
def test_nothing_of_single_examples_is_left(kind: str, tmp_path: Path) -> None:
    run = {"images": sample_run.images, "regression": sample_run.regression}[kind](tmp_path / "run")
    values = planted(run)
    open_page = write_report([run], tmp_path / "open.html")
    assert {WORD, "7,654,321", values[-1]} <= set(leaks(open_page, values)), "the values were not planted where they show"
    page = write_report([run], tmp_path / "closed.html", examples=False)
    assert leaks(page, values) == []
    words = check(page).text
    assert "left out on request" in words
    assert "1 warning" in words
    assert "income" in words, "names of columns stay"
    assert "How large the misses are" in words


def test_side_by_side_is_as_private(tmp_path: Path) -> None:
    runs = [sample_run.images(tmp_path / "a"), sample_run.images(tmp_path / "b")]
    values = planted(runs[1])
    assert leaks(write_report(runs, tmp_path / "closed.html", examples=False), values) == []


def test_the_page_of_the_data_too(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    values = planted(run)
    findings = json.loads((run / "data.json").read_text())
    assert leaks(write_data_page(findings, run, tmp_path / "open.html"), values)
    assert leaks(write_data_page(findings, run, tmp_path / "closed.html", examples=False), values) == []
