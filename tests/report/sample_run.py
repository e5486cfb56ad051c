"""Run folders that look like real ones, made without training anything: pictures, a table, a series, folds, a perceptron."""

from __future__ import annotations

import json
import math
import random
import struct
import zlib
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

DIGITS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def write(folder: Path, name: str, value: Any) -> None:
    """A JSON file as the run folder has it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_events(folder: Path, events: Sequence[dict[str, Any]]) -> None:
    """events.jsonl, one event a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def png(pixels: Sequence[Sequence[int]]) -> bytes:
    """A grey picture as PNG."""
    height, width = len(pixels), len(pixels[0])

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\x00" + bytes(row) for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def digit(number: int, draw: random.Random) -> bytes:
    """A digit of 14 × 16 pixels with some noise, as PNG."""
    rows = DIGITS[number].split()
    shift = draw.randint(0, 2)
    pixels = [[0] * 16 for _ in range(16)]
    for y, row in enumerate(rows):
        for x, on in enumerate(row):
            if on == "1":
                for dy in (0, 1):
                    for dx in (0, 1):
                        pixels[1 + y * 2 + dy][2 + x * 2 + dx + shift] = draw.randint(170, 255)
    return png([[min(255, value + draw.randint(0, 28)) for value in row] for row in pixels])


def training_events(
    *,
    epochs: int,
    steps_per_epoch: int,
    start: float,
    floor: float,
    gap: float,
    measure: str,
    best: float,
    higher: bool,
    draw: random.Random,
) -> list[dict[str, Any]]:
    """Events of a training that learns: losses fall, the validation loss levels off `gap` above."""
    steps = epochs * steps_per_epoch
    events: list[dict[str, Any]] = [
        {
            "event": "start",
            "time": 1763600000.0,
            "steps_per_epoch": steps_per_epoch,
            "epochs": epochs,
            "examples": 1257,
            "parameters": 61706,
        }
    ]
    for step in range(0, steps + 1, max(1, steps // 150)):
        done = step / steps
        loss = floor + (start - floor) * math.exp(-7 * done) * (1 + 0.25 * draw.uniform(-1, 1))
        rate = 0.1 * (0.5 + 0.5 * math.cos(math.pi * done)) * min(1, done / 0.08 + 0.02)
        events.append(
            {
                "event": "train",
                "step": step,
                "epoch": step // steps_per_epoch,
                "loss": loss,
                "lr": rate,
                "examples_per_second": 10400 + draw.uniform(-600, 600),
                "gradient_norm": 2.5 * math.exp(-3 * done) * (1 + 0.4 * draw.random()),
                "metrics": {measure: best - (1 - best) * -1 * math.exp(-9 * done)}
                if not higher
                else {measure: 1 - 0.9 * math.exp(-8 * done)},
            }
        )
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        loss = floor + gap + (start - floor) * math.exp(-7 * done) + 0.06 * gap * draw.uniform(-1, 1) + gap * 0.4 * max(0, done - 0.7)
        value = best - (0.85 * math.exp(-8 * done) if higher else -best * 2 * math.exp(-6 * done))
        events.append(
            {
                "event": "evaluate",
                "step": epoch * steps_per_epoch,
                "epoch": epoch,
                "part": "validation",
                "metrics": {measure: value, "loss": loss},
            }
        )
    return events


def scale_events(layers: Sequence[str], steps: Sequence[int], *, vanish: bool, draw: random.Random) -> list[dict[str, Any]]:
    """Scale of activations, gradients and weights per layer; with `vanish` the first layers' gradients are tiny."""
    events = []
    for step in steps:
        rows = []
        for index, layer in enumerate(layers):
            depth = len(layers) - 1 - index
            gradient = 0.02 * (0.04 if vanish else 0.8) ** depth * math.exp(-step / 900) * (1 + 0.3 * draw.random())
            rows.append({"name": layer, "activation": 0.9 * 0.93**index, "gradient": gradient, "weight": 0.1})
        events.append({"event": "scale", "step": step, "layers": rows})
    return events


ENVIRONMENT = {
    "format": 1,
    "sonde": "0.1.0",
    "python": "3.11.7",
    "torch": "2.13.0",
    "device": "cpu",
    "threads": 2,
    "platform": "Linux x86_64",
    "versions": {"numpy": "2.4.0", "polars": "2.1.0"},
    "fingerprint": "5b41c9e2" * 8,
}


def images(folder: Path) -> Path:
    """A LeNet on digits."""
    draw = random.Random(0)
    events = training_events(
        epochs=15, steps_per_epoch=20, start=2.3, floor=0.01, gap=0.06, measure="accuracy", best=0.985, higher=True, draw=draw
    )
    events += scale_events(["conv1", "conv2", "dense1", "dense2", "output"], range(0, 300, 50), vanish=False, draw=draw)
    events += [
        {"event": "note", "message": "compile: not worth it here, left off"},
        {"event": "stop", "step": 300, "reason": "epochs", "message": ""},
    ]
    write_events(folder, events)
    recipe = (
        'format = 1\n\n[data]\npath = "digits"\nvalidation = 0.15\ntest = 0.15\naugment = ["shift"]\n\n[task]\nname = "classification"\n\n'
        '[model]\nname = "lenet"\n\n[model.config]\nwidth = 6\n\n[optim]\nname = "adamw"\nlr = 0.003\nschedule = "one-cycle"\n\n'
        '[training]\nepochs = 15\nbatch_size = 64\nseed = 0\ndevice = "cpu"\n'
    )
    (folder / "recipe.toml").write_text(recipe)
    classes = [str(number) for number in range(10)]
    write(
        folder,
        "model.json",
        {
            "format": 1,
            "sonde": "0.1.0",
            "kind": "images",
            "parameters": 61706,
            "model": {"name": "lenet", "config": {"channels": 1, "size": 28, "classes": 10}},
            "task": {"name": "classification", "options": {}, "target": {"kind": "classes", "columns": ["label"], "classes": classes}},
        },
    )
    write(
        folder,
        "metrics.json",
        {
            "format": 1,
            "monitor": "accuracy",
            "better": "higher",
            "best": {"epoch": 13, "step": 260, "value": 0.985},
            "train": {"accuracy": 1.0, "loss": 0.0096},
            "validation": {"accuracy": 0.985, "loss": 0.071},
            "test": {
                "accuracy": 0.9815,
                "loss": 0.0788,
                "balanced-accuracy": 0.9812,
                "macro-f1": 0.9813,
                "calibration-error": 0.0124,
                "top-5": 1.0,
            },
            "epochs": 15,
            "steps": 300,
            "seconds": {"total": 8.4, "prepare": 0.9, "train": 5.8, "evaluate": 0.7, "explain": 0.6},
            "examples_per_second": 10423.0,
            "examples": {"train": 1257, "validation": 270, "test": 270},
            "stopped": "epochs",
            "test_looks": 1,
        },
    )
    write(folder, "looks.json", {"test": 1})
    write(folder, "environment.json", ENVIRONMENT)
    _digit_data(folder, draw)
    _digit_mistakes(folder, draw)
    return folder


def _digit_data(folder: Path, draw: random.Random) -> None:
    (folder / "figures").mkdir(exist_ok=True)
    thumbnails = []
    for index in range(24):
        (folder / "figures" / f"data-{index}.png").write_bytes(digit(index % 10, draw))
        thumbnails.append({"file": f"figures/data-{index}.png", "label": str(index % 10)})
    counts = [{"train": 124 + draw.randint(-3, 4), "validation": 27, "test": 27} for _ in range(10)]
    write(
        folder,
        "data.json",
        {
            "kind": "images",
            "origin": "scikit-learn",
            "name": "digits",
            "reason": "1,797 pictures of 8 × 8 with 10 labels",
            "fingerprint": "5b41c9e2" * 8,
            "task": {"name": "classification", "targets": ["label"], "reason": "each picture has one of 10 labels", "flag": "--task"},
            "parts": {"train": 1257, "validation": 270, "test": 270},
            "columns": [],
            "classes": [{"name": str(index), "counts": many} for index, many in enumerate(counts)],
            "pictures": {"count": 1797, "sizes": [[8, 8, 1797]], "modes": {"L": 1797}, "thumbnails": thumbnails},
            "problems": [
                {
                    "level": "warning",
                    "where": "digits[881], digits[1204]",
                    "found": "the same picture stands twice in training",
                    "remedy": "leave one of them out",
                }
            ],
            "notes": ["Pictures are worked on at 28 × 28."],
        },
    )


def _digit_mistakes(folder: Path, draw: random.Random) -> None:
    counts = [[27 if row == column else 0 for column in range(10)] for row in range(10)]
    for row, column, many in ((8, 1, 2), (9, 3, 1), (3, 5, 1), (7, 9, 1)):
        counts[row][row] -= many
        counts[row][column] += many
    worst = []
    for index, (truth, said, sure) in enumerate(
        ((8, 1, 0.97), (9, 3, 0.91), (8, 1, 0.88), (3, 5, 0.83), (7, 9, 0.71), (4, 4, 0.52), (1, 1, 0.55), (6, 6, 0.61))
    ):
        (folder / "figures" / f"worst-{index}.png").write_bytes(digit(truth, draw))
        worst.append(
            {
                "example": 1500 + index,
                "name": f"digits[{1500 + index}]",
                "target": str(truth),
                "prediction": str(said),
                "loss": 4.1 - 0.4 * index,
                "probability": sure,
                "picture": f"figures/worst-{index}.png",
                "row": None,
            }
        )
    bins = [(0.45, 0.5, 2), (0.55, 0.5, 4), (0.65, 0.6, 5), (0.75, 0.83, 6), (0.86, 0.8, 10), (0.985, 0.996, 243)]
    surface_x = [-1.2 + 0.2 * index for index in range(13)]
    loss = [[0.02 + 0.8 * x * x + 2.2 * (y - 0.4 * math.sin(2 * x)) ** 2 for x in surface_x] for y in surface_x]
    path = [[-1.0 * 0.82**k, 0.95 * (-0.72) ** k + 0.35 * math.sin(-2 * 0.82**k)] for k in range(18)]
    write(
        folder,
        "figures/explain.json",
        {
            "part": "test",
            "confusion": {"classes": [str(number) for number in range(10)], "counts": counts},
            "calibration": {"bins": [{"confidence": c, "accuracy": a, "count": n} for c, a, n in bins], "error": 0.0124},
            "worst": worst,
            "surface": {
                "labels": ["direction 1 (86% of the path)", "direction 2 (11% of the path)"],
                "xs": surface_x,
                "ys": surface_x,
                "loss": loss,
                "path": path,
            },
        },
    )


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
            "mean": {"rmsle": 0.12956, "rmse": 26559.8, "r2": 0.87},
            "sd": {"rmsle": 0.003, "rmse": 615.0, "r2": 0.003},
            "out_of_fold": {"rmsle": 0.1299, "rmse": 26700.0, "r2": 0.869},
            "seconds": {"total": 204.0, "train": 190.0},
        },
    )
    for index in range(5):
        regression(folder / "folds" / str(index + 1), seed=10 + index)
    return folder


def perceptron(folder: Path) -> Path:
    """A perceptron on four points, with its trace and its bound."""
    events: list[dict[str, Any]] = [
        {"event": "start", "time": 1763600000.0, "steps_per_epoch": 4, "epochs": 3, "examples": 4, "parameters": 3}
    ]
    weights, bias = [1.0, 1.0], 0.0
    for step in range(1, 9):
        weights = [weights[0] - 0.0625 * step, weights[1] - 0.03 * step]
        bias -= 0.03
        events.append(
            {
                "event": "trace",
                "step": step,
                "inputs": [[-1.0, 1.5]],
                "targets": [1],
                "logits": [[0.5 - 0.1 * step]],
                "output": [[1 if step % 2 else 0]],
                "loss": 0.5 / step,
                "gradient": {"weight": [[0.25, 0.25]], "bias": [0.25]},
                "weights": {"weight": [weights], "bias": [bias]},
            }
        )
        events.append({"event": "train", "step": step, "epoch": step // 4, "loss": 0.5 / step, "lr": 0.25})
    events.append(
        {
            "event": "model",
            "name": "perceptron",
            "updates": 5,
            "bound": 41.3,
            "radius": 1.803,
            "margin": 0.32,
            "separable": True,
            "message": "The perceptron stopped making mistakes after 5 updates; the bound (r² + 1)/ρ² allows 41.",
        }
    )
    write_events(folder, events)
    (folder / "recipe.toml").write_text(
        '[data]\npath = "points.csv"\n\n[task]\nname = "classification"\n\n[model]\nname = "perceptron"\n\n[training]\ntrace = true\nepochs = 3\n'
    )
    write(
        folder,
        "model.json",
        {
            "format": 1,
            "kind": "table",
            "parameters": 3,
            "model": {"name": "perceptron", "config": {}},
            "task": {"name": "classification", "target": {"kind": "classes", "columns": ["t"], "classes": ["0", "1"]}},
        },
    )
    write(
        folder,
        "metrics.json",
        {
            "format": 1,
            "monitor": "accuracy",
            "better": "higher",
            "train": {"accuracy": 1.0},
            "epochs": 3,
            "steps": 8,
            "examples": {"train": 4},
        },
    )
    grid = [-2 + 4 * index / 29 for index in range(30)]
    cells = [[int(0.8 * x + 0.9 * y - 0.2 + 0.5 * math.sin(2 * x) > 0) for x in grid] for y in grid]
    draw = random.Random(3)
    points = []
    for _ in range(60):
        x, y = draw.uniform(-1.9, 1.9), draw.uniform(-1.9, 1.9)
        points.append([x, y, int(0.8 * x + 0.9 * y - 0.2 + 0.5 * math.sin(2 * x) + draw.gauss(0, 0.25) > 0)])
    write(
        folder,
        "figures/explain.json",
        {
            "part": "train",
            "boundary": {"xs": grid, "ys": grid, "grid": cells, "classes": ["0", "1"], "points": points, "columns": ["x1", "x2"]},
        },
    )
    return folder


def everything(folder: Path) -> dict[str, Path]:
    """One run of each kind."""
    makers = {"digits-1": images, "houses-1": regression, "views-1": forecasting, "houses-folds": folds, "perceptron-1": perceptron}
    return {name: make(folder / name) for name, make in makers.items()}
