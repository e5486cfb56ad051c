"""Run folders of tables and series that look like real ones."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from report.sample_parts import ENVIRONMENT, scale_events, training_events, write, write_events

HOUSE_COLUMNS = (
    "living area",
    "overall quality",
    "neighbourhood",
    "year built",
    "garage cars",
    "basement area",
    "kitchen quality",
    "lot area",
    "fireplaces",
    "heating",
    "street",
    "fence",
)


def regression(folder: Path, *, name: str = "houses", seed: int = 1) -> Path:
    """An MLP on a table of houses."""
    draw = random.Random(seed)
    events = training_events(
        epochs=40, steps_per_epoch=18, start=2.0, floor=0.011, gap=0.004, measure="rmsle", best=0.129, higher=False, draw=draw
    )
    events += scale_events([f"layers.{index}" for index in range(6)], range(0, 720, 120), vanish=True, draw=draw)
    write_events(folder, events)
    recipe = '[data]\npath = "houses.csv"\ntarget = ["price"]\n\n[task]\nname = "regression"\n\n[model]\nname = "mlp"\n\n[training]\nepochs = 40\nseed = 1\n'
    (folder / "recipe.toml").write_text(recipe)
    write(
        folder,
        "model.json",
        {
            "format": 1,
            "sonde": "0.1.0",
            "kind": "table",
            "parameters": 48213,
            "model": {"name": "mlp", "config": {"width": 128}},
            "task": {
                "name": "regression",
                "options": {},
                "target": {"kind": "numbers", "columns": ["price"], "transform": "log", "mean": [12.0], "std": [0.4]},
            },
        },
    )
    write(
        folder,
        "metrics.json",
        {
            "format": 1,
            "monitor": "rmsle",
            "better": "lower",
            "best": {"epoch": 31, "step": 558, "value": 0.1287},
            "train": {"rmsle": 0.0931, "rmse": 17213.4, "mae": 11020.2, "r2": 0.951, "loss": 0.0121},
            "validation": {"rmsle": 0.1287, "rmse": 26120.8, "mae": 15987.1, "r2": 0.894, "loss": 0.0166},
            "test": {"rmsle": 0.1312, "rmse": 27830.1, "mae": 16244.9, "r2": 0.887, "loss": 0.0172},
            "epochs": 40,
            "steps": 720,
            "seconds": {"total": 41.2, "prepare": 1.4, "train": 37.0, "evaluate": 1.1},
            "examples_per_second": 22840.0,
            "examples": {"train": 1022, "validation": 219, "test": 219},
            "stopped": "patience",
            "test_looks": 3,
        },
    )
    write(folder, "looks.json", {"test": 3})
    write(folder, "environment.json", ENVIRONMENT)
    write(folder, "data.json", _house_data(name, draw))
    truth = [math.exp(draw.gauss(12.0, 0.4)) for _ in range(219)]
    said = [value * math.exp(draw.gauss(0, 0.13)) for value in truth]
    worst = []
    for index in range(10):
        row = {column: draw.choice([draw.randint(1, 3000), "Gd", "NAmes", None]) for column in HOUSE_COLUMNS}
        worst.append(
            {
                "example": index * 17,
                "name": f"row {index * 17 + 2}",
                "target": truth[index],
                "prediction": said[index],
                "loss": 0.2 - 0.01 * index,
                "picture": None,
                "row": row,
            }
        )
    importance = [
        {"column": column, "mean": 0.06 * 0.62**index - (0.0004 if index > 9 else 0), "sd": 0.004 * 0.8**index}
        for index, column in enumerate(HOUSE_COLUMNS)
    ]
    write(
        folder,
        "figures/explain.json",
        {
            "part": "test",
            "residuals": {"target": truth, "prediction": said},
            "worst": worst,
            "importance": importance,
            "importance_metric": "rmsle",
        },
    )
    return folder


def _house_data(name: str, draw: random.Random) -> dict[str, Any]:
    columns: list[dict[str, Any]] = [_numeric("price", "target", 34900, 755000, draw, "what is to be predicted")]
    for index, column in enumerate(HOUSE_COLUMNS):
        if column in ("neighbourhood", "kitchen quality", "heating", "street", "fence"):
            top = [["NAmes", 225], ["CollgCr", 150], ["OldTown", 113], ["Edwards", 100], ["Somerst", 86]]
            columns.append(
                {
                    "name": column,
                    "type": "category",
                    "role": "feature",
                    "why": "",
                    "missing": 1179 if column == "fence" else 0,
                    "distinct": 25,
                    "top": top,
                }
            )
        else:
            columns.append(
                _numeric(column, "feature", index, 5000 + 100 * index, draw, "wide range: logarithm" if column == "lot area" else "")
            )
    columns.append(
        {
            "name": "Id",
            "type": "identifier",
            "role": "left-out",
            "why": "another value in every row",
            "missing": 0,
            "distinct": 1460,
            "sample": ["1", "2", "3"],
        }
    )
    problems = [
        {
            "level": "warning",
            "where": "houses.csv, column 'price_per_area'",
            "found": "this column gives the target away: together with 'living area' it says 'price' exactly",
            "remedy": "leave it out: --drop price_per_area",
        },
        {
            "level": "note",
            "where": "houses.csv, column 'fence'",
            "found": "1,179 of 1,460 values are missing",
            "remedy": "fine to keep: a missing value has a code of its own",
        },
        {
            "level": "note",
            "where": "houses.csv, column 'street'",
            "found": "1,454 of 1,460 values are the same",
            "remedy": "fine to keep; it tells little",
        },
    ]
    return {
        "kind": "table",
        "origin": "houses.csv",
        "name": name,
        "reason": "a CSV file of 1,460 rows and 14 columns",
        "fingerprint": "77aa01fe" * 8,
        "task": {
            "name": "regression",
            "targets": ["price"],
            "reason": "'price' is a number with 663 distinct values",
            "flag": "--task classification",
        },
        "parts": {"train": 1022, "validation": 219, "test": 219},
        "columns": columns,
        "problems": problems,
        "notes": ["The target is worked on as its logarithm."],
    }


def _numeric(name: str, role: str, low: float, high: float, draw: random.Random, why: str) -> dict[str, Any]:
    edges = [low + (high - low) * index / 12 for index in range(13)]
    counts = [int(300 * math.exp(-(((index - 4) / 2.5) ** 2)) + draw.randint(0, 9)) for index in range(12)]
    return {
        "name": name,
        "type": "number",
        "role": role,
        "why": why,
        "missing": 0,
        "distinct": 663,
        "min": low,
        "max": high,
        "mean": (low + high) / 2.7,
        "std": (high - low) / 6,
        "histogram": {"edges": edges, "counts": counts},
    }


def forecasting(folder: Path) -> Path:
    """A linear model on daily views."""
    draw = random.Random(2)
    write_events(
        folder,
        training_events(epochs=30, steps_per_epoch=40, start=1.4, floor=0.2, gap=0.05, measure="mae", best=512.0, higher=False, draw=draw),
    )
    (folder / "recipe.toml").write_text(
        '[data]\npath = "daily_views.csv"\ntarget = ["views"]\ntime = "date"\n\n[task]\nname = "forecasting"\n\n'
        '[task.options]\nwindow = 28\n\n[model]\nname = "mlp"\n\n[training]\nepochs = 30\n'
    )
    write(
        folder,
        "model.json",
        {
            "format": 1,
            "kind": "series",
            "parameters": 29,
            "model": {"name": "linear-regression", "config": {}},
            "task": {"name": "forecasting", "options": {"window": 28}, "target": {"kind": "numbers", "columns": ["views"]}},
        },
    )
    write(
        folder,
        "metrics.json",
        {
            "format": 1,
            "monitor": "mae",
            "better": "lower",
            "best": {"epoch": 24, "step": 960, "value": 503.2},
            "train": {"mae": 471.0, "rmse": 820.0},
            "validation": {"mae": 503.2, "rmse": 871.1},
            "test": {"mae": 518.8, "rmse": 902.4, "persistence-mae": 601.3},
            "epochs": 30,
            "steps": 1200,
            "seconds": {"total": 3.1},
            "examples": {"train": 400, "validation": 150, "test": 150},
            "test_looks": 1,
        },
    )
    first = date(2018, 1, 1)
    points = []
    level = 5000.0
    for day in range(700):
        level += draw.gauss(1.2, 60)
        points.append([(first + timedelta(day)).isoformat(), round(level + 900 * math.sin(day * 2 * math.pi / 7) + draw.gauss(0, 250), 1)])
    write(
        folder,
        "data.json",
        {
            "kind": "series",
            "name": "daily_views",
            "origin": "daily_views.csv",
            "reason": "a date column and one number a day",
            "fingerprint": "ab" * 32,
            "task": {"name": "forecasting", "targets": ["views"], "reason": "a series in the order of time", "flag": "--task"},
            "parts": {"train": 400, "validation": 150, "test": 150},
            "series": {"start": points[0][0], "end": points[-1][0], "step": "1 day", "gaps": 0, "points": points},
            "problems": [],
            "notes": [],
        },
    )
    last = points[-150:]
    write(
        folder,
        "figures/explain.json",
        {
            "part": "test",
            "forecast": {
                "when": [when for when, _ in last],
                "target": [value for _, value in last],
                "prediction": [value * 0.5 + 0.5 * last[max(i - 1, 0)][1] for i, (_, value) in enumerate(last)],
            },
            "residuals": {"target": [value for _, value in last], "prediction": [value + draw.gauss(0, 600) for _, value in last]},
        },
    )
    return folder


def folds(folder: Path) -> Path:
    """Five folds of the houses."""
    regression(folder)
    (folder / "events.jsonl").unlink()
    values = [0.1291, 0.1264, 0.1342, 0.1302, 0.1279]
    write(
        folder,
        "metrics.json",
        {
            "format": 1,
            "monitor": "rmsle",
            "better": "lower",
            "folds": [{"rmsle": value, "rmse": value * 205000, "r2": 1 - value} for value in values],
            "examples": {"train": 1168, "test": 1460},
            "train": {"rmsle": 0.09, "rmse": 17000.0, "r2": 0.95},
            "mean": {"rmsle": 0.12956, "rmse": 26559.8, "r2": 0.87},
            "sd": {"rmsle": 0.003, "rmse": 615.0, "r2": 0.003},
            "out_of_fold": {"rmsle": 0.1299, "rmse": 26700.0, "r2": 0.869},
            "seconds": {"total": 204.0, "train": 190.0},
        },
    )
    for index in range(5):
        regression(folder / "folds" / str(index + 1), seed=10 + index)
    return folder
