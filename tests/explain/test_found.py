"""Which detection belongs to which truth, and what kind of mistake the others are."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from sonde.data.contents import Examples
from sonde.data.readers.scenes import SCHEMA
from sonde.explain.found import pictures

Box = tuple[float, float, float, float]
CLASSES = ["cat", "dog"]


def examples(*objects: tuple[Box, str, bool]) -> Examples:
    """One picture with these objects."""
    row: dict[str, Any] = {
        "image": ["a.png"],
        "boxes": [[list(box) for box, _, _ in objects]],
        "labels": [[label for _, label, _ in objects]],
        "crowd": [[crowd for _, _, crowd in objects]],
        "area": [[(box[2] - box[0]) * (box[3] - box[1]) for box, _, _ in objects]],
        "outlines": [[None] * len(objects)],
        "width": [100],
        "height": [100],
    }
    return Examples(pl.DataFrame(row, schema=SCHEMA))


def rows(*found: tuple[Box, str, float]) -> pl.DataFrame:
    table = [(0, "a.png", label, score, *box) for box, label, score in found]
    return pl.DataFrame(table, schema=["picture", "image", "label", "score", "left", "top", "right", "bottom"], orient="row")


CAT, FAR = (10.0, 10.0, 30.0, 30.0), (60.0, 60.0, 90.0, 90.0)


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        (CAT, "cat", "right"),
        (CAT, "dog", "another class"),
        ((22.0, 10.0, 42.0, 30.0), "cat", "badly placed"),
        (FAR, "cat", "nothing there"),
        ((22.0, 10.0, 42.0, 30.0), "dog", "nothing there"),
    ],
)
def test_kinds_of_detections(box: Box, label: str, kind: str) -> None:
    (found,) = pictures(rows((box, label, 0.9)), examples((CAT, "cat", False)), CLASSES)
    assert found.kinds == (kind,)
    assert found.missed.tolist() == ([] if kind in ("right", "another class") else [0])


def test_an_object_is_found_once_by_the_surest() -> None:
    (found,) = pictures(rows((CAT, "cat", 0.9), (CAT, "cat", 0.8)), examples((CAT, "cat", False)), CLASSES)
    assert found.kinds == ("right", "found twice")
    assert found.of.tolist() == [0, -1]


def test_an_object_belongs_to_its_own_class_first() -> None:
    """A surer detection of another class does not take what one of its class finds too."""
    (found,) = pictures(rows((CAT, "dog", 0.9), (CAT, "cat", 0.5)), examples((CAT, "cat", False)), CLASSES)
    assert found.kinds == ("nothing there", "right")


def test_crowds_are_neither_found_nor_missed() -> None:
    there = examples((FAR, "cat", True), (CAT, "cat", False))
    (found,) = pictures(rows(((62.0, 62.0, 70.0, 70.0), "cat", 0.9), (CAT, "cat", 0.8)), there, CLASSES)
    assert found.kinds == ("right",)
    assert found.of.tolist() == [0]
    assert len(found.true_labels) == 1
    (nothing,) = pictures(rows((CAT, "cat", 0.1)), there, CLASSES)
    assert nothing.missed.tolist() == [0]


def test_unsure_detections_do_not_count() -> None:
    (found,) = pictures(rows((CAT, "cat", 0.25)), examples((CAT, "cat", False)), CLASSES)
    assert found.kinds == ()
    (found,) = pictures(rows((CAT, "cat", 0.25)), examples((CAT, "cat", False)), CLASSES, least=0.2)
    assert found.kinds == ("right",)


def test_a_picture_without_objects() -> None:
    (found,) = pictures(rows((CAT, "cat", 0.9)), examples(), CLASSES)
    assert found.kinds == ("nothing there",)
    assert found.missed.tolist() == []
