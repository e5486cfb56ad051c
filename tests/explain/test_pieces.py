"""Confusion, calibration, worst examples, residuals and forecasts from prediction rows alone."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from sonde.data.contents import Examples
from sonde.data.prepare.table import fit_table
from sonde.data.split import Selection
from sonde.errors import DataError, Problem
from sonde.explain import classes, importance, numbers, worst
from sonde.metrics.calibration import CalibrationError
from sonde.recipe import Data

ROWS = pl.DataFrame(
    {
        "example": [3, 5, 8, 9],
        "name": ["a", "b", "c", "d"],
        "target": ["cat", "cat", "dog", "dog"],
        "prediction": ["cat", "dog", "cat", "dog"],
        "probability:cat": [0.9, 0.4, 0.7, 0.2],
        "probability:dog": [0.1, 0.6, 0.3, 0.8],
        "loss": [0.1, 0.9, 1.2, 0.2],
    }
)


def test_confusion_has_a_row_each_true_class() -> None:
    assert classes.confusion(ROWS, ["cat", "dog", "fox"]) == {"classes": ["cat", "dog", "fox"], "counts": [[1, 1, 0], [1, 1, 0], [0, 0, 0]]}


def test_of_many_classes_the_most_mistaken_are_kept() -> None:
    names = [str(number) for number in range(200)]
    target = [*names, "7", "7", "150"]
    prediction = [*names, "150", "9", "7"]
    found = classes.confusion(pl.DataFrame({"target": target, "prediction": prediction}), names)
    counts = np.array(found["counts"])
    assert found["classes"][-1] == "the other 141"
    assert len(found["classes"]) == 60 == len(counts)
    seven, last = found["classes"].index("7"), found["classes"].index("150")
    assert counts[seven, last] == 1 == counts[last, seven]
    assert counts.sum() == 203
    assert counts[-1, -1] == 141


def test_calibration_agrees_with_the_measure() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(300, 3, generator=generator, dtype=torch.float64)
    target = torch.randint(3, (300,), generator=generator)
    probability, names = logits.softmax(1).numpy(), np.array(["a", "b", "c"], dtype=object)
    columns = {f"probability:{name}": probability[:, place] for place, name in enumerate(names)}
    rows = pl.DataFrame({"target": names[target.numpy()], "prediction": names[logits.argmax(1).numpy()], **columns})
    found = classes.calibration(rows)

    class Batch:
        inputs = ()
        targets = target

    metric = CalibrationError(15)
    assert found["error"] == pytest.approx(metric.value(metric.state(logits, Batch())))
    assert sum(each["count"] for each in found["bins"]) == 300
    assert all(0 <= each["accuracy"] <= 1 and 0 < each["confidence"] <= 1 for each in found["bins"])


def test_the_worst_are_mistakes_with_the_largest_loss_first(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [float(i) for i in range(10)], "when": [date(2024, 1, 1)] * 10, "label": ["?"] * 10})
    found = worst.worst(ROWS, Examples(frame), tmp_path, kind="classes", columns=("label",))
    assert [each["name"] for each in found] == ["c", "b"]
    assert found[0] | {"row": None} == {
        "example": 8, "name": "c", "target": "dog", "prediction": "cat", "loss": 1.2, "probability": 0.7, "picture": None, "row": None
    }  # fmt: skip
    assert found[0]["row"] == {"x": 8.0, "when": "2024-01-01"}


def test_without_its_data_a_mistake_is_still_named(tmp_path: Path) -> None:
    found = worst.worst(ROWS, None, tmp_path, kind="classes", columns=("label",))
    assert [(each["name"], each["row"], each["picture"]) for each in found] == [("c", None, None), ("b", None, None)]


def test_numbers_and_labels_have_worst_examples_too(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {"example": [0, 1], "name": ["0", "1"], "target": [1.0, 2.0], "prediction": [1.5, math.nan], "loss": [0.25, math.nan]}
    )
    found = worst.worst(rows, None, tmp_path, kind="numbers", columns=("y",))
    assert [(each["example"], each["prediction"], each["loss"]) for each in found] == [(1, None, None), (0, 1.5, 0.25)]
    labels = pl.DataFrame(
        {
            "example": [0, 1],
            "name": ["0", "1"],
            "target": [[1.0, 0.0], [1.0, 1.0]],
            "prediction:rain": [1, 0],
            "prediction:snow": [0, 0],
            "loss": [0.1, 2.0],
        }
    )
    found = worst.worst(labels, None, tmp_path, kind="labels", columns=("rain", "snow"))
    assert [(each["example"], each["target"], each["prediction"]) for each in found] == [(1, "rain, snow", "none")]


class Two:
    """One tiny picture, and one that cannot be read."""

    def __len__(self) -> int:
        return 10

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        if index == 5:
            raise DataError(Problem("error", "b.png", "this is no picture", "mend it"))
        return np.arange(8 * 6, dtype=np.uint8).reshape(8, 6, 1)

    def name(self, index: int) -> str:
        return f"{index}.png"


def test_pictures_are_enlarged_without_smoothing(tmp_path: Path) -> None:
    examples = Examples(pl.DataFrame({"image": [str(i) for i in range(10)]}), Two())
    (tmp_path / "figures").mkdir()
    found = worst.worst(ROWS, examples, tmp_path / "figures", kind="classes", columns=("label",))
    assert [each["picture"] for each in found] == ["figures/worst-0.png", None]
    with Image.open(tmp_path / "figures" / "worst-0.png") as image:
        assert image.size == (96, 128)
        assert sorted(set(np.asarray(image).ravel().tolist())) == list(range(48))


def test_photographs_are_shrunk_and_long_ones_stay_small() -> None:
    assert worst.thumbnail(np.zeros((600, 800, 3), np.uint8)).size == (256, 192)
    assert max(worst.thumbnail(np.zeros((2, 200, 3), np.uint8)).size) <= 512
    assert worst.thumbnail(np.zeros((1, 1, 1), np.uint8)).size == (96, 96)


def test_values_become_json() -> None:
    assert worst.plain(math.inf) is None
    assert worst.plain(True) is True
    assert worst.plain([1, math.nan, date(2024, 5, 6)]) == [1, None, "2024-05-06"]
    assert worst.plain("x" * 600) == "x" * 499 + "…"


def test_residuals_are_a_fixed_sample_of_the_first_target() -> None:
    count = 5000
    values = np.arange(count, dtype=np.float64)
    rows = pl.DataFrame({"target": [[v, -v] for v in values], "prediction:a": values + 1, "prediction:b": values})
    found = numbers.residuals(rows, columns=("a", "b"), seed=3)
    assert found == numbers.residuals(rows, columns=("a", "b"), seed=3)
    assert found["column"] == "a"
    assert len(found["target"]) == numbers.POINTS
    assert found["target"] == sorted(found["target"])
    assert all(p - t == 1 for t, p in zip(found["target"], found["prediction"], strict=True))


def test_a_forecast_has_dates_where_the_data_have_them() -> None:
    days = pl.date_range(date(2024, 1, 1), date(2024, 1, 6), eager=True)
    rows = pl.DataFrame({"example": [4, 5], "target": [[1.0, 2.0], [2.0, 3.0]], "prediction:1": [1.1, 2.1], "prediction:2": [2.2, 3.2]})
    found = numbers.forecast(rows, Examples(pl.DataFrame({"day": days})), time=None)
    # Of two steps ahead it is the second that falls on the row's own day.
    assert found == {"when": ["2024-01-05", "2024-01-06"], "target": [2.0, 3.0], "prediction": [2.2, 3.2]}
    assert numbers.forecast(rows, None, time=None)["when"] == [4, 5]


def test_a_column_is_shuffled_with_all_that_it_became() -> None:
    frame = pl.DataFrame(
        {
            "n": [float(i % 17) + 0.5 for i in range(60)],
            "day": [date(2024, 1 + i % 12, 1 + i % 28) for i in range(60)],
            "town": ["a", "b", "c"] * 20,
            "y": [0, 1] * 30,
        }
    )
    preparation = fit_table(Selection(Examples(frame), np.arange(60)), Data(), ("y",))
    inputs = preparation.encode(Examples(frame))
    places = importance.positions(preparation)
    assert list(places) == ["n", "day", "town"]
    assert sum(numbers.stop - numbers.start for numbers, _ in places.values()) == inputs[0].shape[1]
    assert sum(codes.stop - codes.start for _, codes in places.values()) == inputs[1].shape[1]
    assert places["day"][0].stop - places["day"][0].start == 2
    assert places["day"][1].stop - places["day"][1].start == 2


def test_importance_of_folds_is_their_mean() -> None:
    folds = [[{"column": "a", "mean": 1.0, "sd": 9}, {"column": "b", "mean": 2.0, "sd": 9}], [{"column": "a", "mean": 5.0, "sd": 9}]]
    assert importance.of_folds(folds) == [{"column": "a", "mean": 3.0, "sd": 2.0}, {"column": "b", "mean": 2.0, "sd": 0.0}]
