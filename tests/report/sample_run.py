"""Run folders that look like real ones, made without training anything: pictures, tables, a series, folds, a perceptron."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from report.sample_parts import ENVIRONMENT, digit, png, scale_events, training_events, write, write_events
from report.sample_tables import folds, forecasting, regression

__all__ = ["everything", "folds", "forecasting", "images", "perceptron", "png", "regression", "write", "write_events"]


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
