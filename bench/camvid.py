"""Street scenes from 100 pictures, from scratch: the recipe camvid-u-net. Measured at the 40 test pictures' own size."""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench.machine import sonde
from bench.scores import workplace
from bench.table import Options, Row, main

NAME = "camvid-u-net"
QUICK = ("--epochs", "1", "--size", "96")


def measure(options: Options) -> list[Row]:
    """Mean IoU and pixel accuracy over the test part, and minutes of the whole command."""
    with workplace() as folder:
        run = folder / "run"
        started = time.perf_counter()
        sonde("train", NAME, "--json", "--quiet", "--out", str(run), *(QUICK if options.quick else ()), folder=folder)
        minutes = (time.perf_counter() - started) / 60
        return [*_scores(run), Row("camvid: whole command, imports and report included", [minutes], "min", at_most=30)]


def _scores(run: Path) -> list[Row]:
    """What figures/explain.json holds: pixels of each class by their answer, at the pictures' own size."""
    explained = json.loads((run / "figures" / "explain.json").read_text(encoding="utf-8"))
    counts = explained["confusion"]["counts"]
    ious = [each["iou"] for each in explained["segmentation"]["classes"] if each["iou"] is not None]
    right = sum(row[number] for number, row in enumerate(counts)) / sum(map(sum, counts))
    pictures = f"{explained['segmentation']['pictures']} {explained['part']} pictures"
    rows = [
        Row(f"camvid: mean IoU of {len(ious)} classes, {pictures}", [sum(ious) / len(ious)], at_least=0.40),
        Row("camvid: pixel accuracy", [right], at_least=0.80),
    ]
    return rows + [Row(f"camvid: IoU of {each['class']}", [each["iou"]]) for each in explained["segmentation"]["classes"] if each["iou"] is not None]


if __name__ == "__main__":
    main("Street scenes", measure)
