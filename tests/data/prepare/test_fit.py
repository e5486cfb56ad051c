"""The preparation that fits the data, kept in a folder and read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.making import everything, pictures, series, table
from sonde.data.contents import Content
from sonde.data.prepare.fit import fit_preparation, load_preparation, save_preparation
from sonde.data.prepare.images import ImagePreparation
from sonde.data.prepare.series import SeriesPreparation
from sonde.data.prepare.table import TablePreparation
from sonde.data.prepare.target import fit_target
from sonde.errors import RecipeError, RunError
from sonde.recipe import Data

CASES: list[tuple[Content, str, str, type]] = [
    (table({"x": [1.5, 2.5, 3.5] * 4, "k": ["a", "b", "c"] * 4, "y": [0.5, 1.5, 2.5] * 4}), "regression", "y", TablePreparation),
    (series([float(day) for day in range(20)]), "forecasting", "y", SeriesPreparation),
    (series([float(day) for day in range(20)], z=list(range(20))), "regression", "y", TablePreparation),
    (pictures([np.zeros((4, 4, 1), np.uint8)] * 4, ["a", "b", "a", "b"]), "classification", "label", ImagePreparation),
]


@pytest.mark.parametrize(("content", "task", "target", "kind"), CASES)
def test_what_is_saved_is_read_back(content: Content, task: str, target: str, kind: type, tmp_path: Path) -> None:
    train = everything(content)
    prep = fit_preparation(content, train, Data(), task=task, targets=(target,))
    assert isinstance(prep, kind)
    fitted = fit_target(task, {}, train, (target,))
    save_preparation(prep, fitted, tmp_path / "preprocessing")
    again, target_again = load_preparation(tmp_path / "preprocessing")
    assert again == prep
    assert target_again == fitted
    for one, other in zip(prep.encode(content.examples), again.encode(content.examples), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"preparation\.json: the preprocessing is missing"):
        load_preparation(tmp_path)
    content, task, target, _ = CASES[0]
    train = everything(content)
    save_preparation(fit_preparation(content, train, Data(), task=task, targets=(target,)), fit_target(task, {}, train, (target,)), tmp_path)
    path = tmp_path / "preparation.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"format": 99}))
    with pytest.raises(RunError, match="this preprocessing is of format 99; this Sonde reads up to 1"):
        load_preparation(tmp_path)
    for damaged in (path.read_text()[:50], json.dumps({"format": 1}), json.dumps(stored | {"preparation": {"kind": "sound"}})):
        path.write_text(damaged)
        with pytest.raises(RunError, match="the preprocessing is damaged"):
            load_preparation(tmp_path)


@pytest.mark.parametrize("task", ["language-modelling", "word-vectors", "translation"])
def test_specials_round_each_text_are_not_for_running_text(task: str) -> None:
    content = table({"text": ["a b", "c d"], "y": [0, 1]})
    with pytest.raises(RecipeError, match=f"the tokeniser bert puts specials round each text, and {task} has none"):
        fit_preparation(content, everything(content), Data(tokenizer="bert"), task=task, targets=())
