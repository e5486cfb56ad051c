"""The report's sections of a segmentation: classes with their colours, pairs of pictures, and nothing where there is nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sonde.report import segmentation
from sonde.report.read import Pictures, Record, View

FOUND: dict[str, Any] = {
    "classes": [
        {"class": "road", "iou": 0.9, "pixels": 600, "answered": 500},
        {"class": "<pole>", "iou": 0.1, "pixels": 300, "answered": 10},
        {"class": "bird", "iou": None, "pixels": 0, "answered": 0},
    ],
    "colours": [[255, 0, 0], [0, 255, 0], ["url(x)", 0, 0]],
    "pictures": 4,
    "examples": [{"name": "a & b.png", "iou": 0.5, "truth": "figures/t.png", "prediction": "figures/p.png"}],
}


def record(folder: Path, found: Any) -> Record:
    return Record(folder, explain={"part": "test", "segmentation": found})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    for name in ("t", "p"):
        Image.fromarray(np.zeros((4, 6, 3), dtype=np.uint8)).save(tmp_path / "figures" / f"{name}.png")
    return tmp_path


def test_classes_stand_from_the_hardest_to_the_easiest(folder: Path) -> None:
    drawn = str(segmentation.classes(record(folder, FOUND), View(Pictures(), True)))
    assert drawn.index("&lt;pole&gt;") < drawn.index("road") < drawn.index("bird")
    assert "<pole>" not in drawn
    assert "rgb(255, 0, 0)" in drawn
    assert "url(x)" not in drawn
    assert "10.0 %" in drawn or "10 %" in drawn


def test_examples_stand_in_pairs_and_go_on_request(folder: Path) -> None:
    drawn = str(segmentation.examples(record(folder, FOUND), View(Pictures(), True)))
    assert drawn.count("<img") == 2
    assert "a &amp; b.png" in drawn
    assert not segmentation.examples(record(folder, FOUND), View(Pictures(), False))
    (folder / "figures" / "p.png").unlink()
    assert not segmentation.examples(record(folder, FOUND), View(Pictures(), True))


@pytest.mark.parametrize("found", [None, {}, [], "x", {"classes": "x", "examples": 3}, {"classes": [None, 3]}])
def test_what_is_missing_or_damaged_draws_nothing(folder: Path, found: Any) -> None:
    assert not segmentation.classes(record(folder, found), View(Pictures(), True))
    assert not segmentation.examples(record(folder, found), View(Pictures(), True))
