"""A contest's submission: the sample's ids, order and columns, or an error that says which differ."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sonde.cli import submission
from sonde.errors import DataError


def sample(folder: Path, text: str) -> Path:
    path = folder / "sample.csv"
    path.write_text(text, encoding="utf-8")
    return path


def fill(path: Path, predictions: pl.DataFrame, *, id_column: str | None = "Id", targets: tuple[str, ...] = ("SalePrice",)) -> pl.DataFrame:
    return submission.fill(submission.read(path), predictions, where=path, id_column=id_column, targets=targets)


def test_rows_come_in_the_samples_order(tmp_path: Path) -> None:
    path = sample(tmp_path, "Id,SalePrice\n1462,0\n1461,0\n")
    filled = fill(path, pl.DataFrame({"name": ["1461", "1462"], "prediction": [1.5, 2.5]}))
    assert filled.write_csv() == "Id,SalePrice\n1462,2.5\n1461,1.5\n"


def test_a_column_for_each_class(tmp_path: Path) -> None:
    path = sample(tmp_path, "id,dog,cat\nb.jpg,0,0\na.jpg,0,0\n")
    predictions = pl.DataFrame(
        {"name": ["in/a.jpg", "in/b.jpg"], "prediction": ["cat", "dog"], "probability:cat": [0.9, 0.2], "probability:dog": [0.1, 0.8]}
    )
    assert fill(path, predictions, id_column=None, targets=("label",)).rows() == [("b.jpg", 0.8, 0.2), ("a.jpg", 0.1, 0.9)]


def test_pictures_are_known_without_their_ending(tmp_path: Path) -> None:
    path = sample(tmp_path, "id,label\n7,x\n")
    assert fill(path, pl.DataFrame({"name": ["in/7.png"], "prediction": ["cat"]}), id_column=None, targets=("label",)).rows() == [
        ("7", "cat")
    ]


def test_missing_and_extra_ids_are_named(tmp_path: Path) -> None:
    path = sample(tmp_path, "Id,SalePrice\n1,0\n2,0\n")
    with pytest.raises(DataError, match="column 'Id': 1 ids have no prediction: '2'") as caught:
        fill(path, pl.DataFrame({"name": ["1", "3"], "prediction": [1.0, 2.0]}))
    assert "1 predictions have ids that are not there: '3'" in str(caught.value)
    assert "train it with --id" not in str(caught.value)


def test_a_run_without_an_id_column_is_told_so(tmp_path: Path) -> None:
    path = sample(tmp_path, "Id,SalePrice\n1461,0\n")
    with pytest.raises(DataError, match="ids have no prediction") as caught:
        fill(path, pl.DataFrame({"name": ["0"], "prediction": [1.0]}), id_column=None)
    assert "the run has no id column: train it with --id Id" in str(caught.value)


def test_ids_predicted_twice(tmp_path: Path) -> None:
    path = sample(tmp_path, "Id,SalePrice\n1,0\n")
    with pytest.raises(DataError, match="1 ids are predicted more than once: '1'"):
        fill(path, pl.DataFrame({"name": ["1", "1"], "prediction": [1.0, 2.0]}))


def test_unknown_column_names_the_nearest(tmp_path: Path) -> None:
    path = sample(tmp_path, "id,dgo,cat\na,0,0\n")
    predictions = pl.DataFrame({"name": ["a"], "prediction": ["cat"], "probability:cat": [0.9], "probability:dog": [0.1]})
    with pytest.raises(DataError, match="no prediction goes there") as caught:
        fill(path, predictions, targets=("label",))
    assert "column 'dgo'" in str(caught.value)
    assert "did you mean 'dog'?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Id,SalePrice\n1,0\n1,0\n", "id '1' stands there 2 times"),
        ("Id\n1\n", r"there is only the column \['Id'\]"),
        ("Id,SalePrice\n", "there are no rows"),
        ("", "this cannot be read as CSV"),
    ],
)
def test_a_bad_sample(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        submission.read(sample(tmp_path, text))


def test_no_sample(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        submission.read(tmp_path / "sample.csv")
