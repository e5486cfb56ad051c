"""The doctor as a whole: what it returns, that it never fails, and what it finds in real data."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import tarfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.checks.making import arrays, examine, images, none, numbers, one, series, table
from sonde import recipe
from sonde.data.check import Findings, check
from sonde.data.checks.shift import shift
from sonde.data.contents import Content, Examples
from sonde.data.infer import Inferred, infer
from sonde.data.readers.class_folders import read_class_folders
from sonde.data.split import split
from sonde.errors import DataError, Problem


def test_findings_as_json() -> None:
    frame = {"id": range(100), "x": [*numbers(99), None], "c": ["a", "b"] * 50, "y": numbers(100, seed=1)}
    found = examine(table(frame), cut={"train": range(80), "validation": range(80, 90), "test": range(90, 100)}).to_json()
    assert list(found) == ["kind", "origin", "name", "reason", "fingerprint", "task", "parts", "columns", "classes", "problems", "notes"]
    assert found["task"] == {"name": "regression", "targets": ["y"], "reason": "as a test says", "flag": "--task"}
    assert found["parts"] == {"train": 80, "validation": 10, "test": 10}
    x = next(column for column in found["columns"] if column["name"] == "x")
    assert {key: x[key] for key in ("type", "role", "why", "missing", "distinct")} == {
        "type": "number",
        "role": "feature",
        "why": "numbers",
        "missing": 1,
        "distinct": 99,
    }
    values = numbers(99)
    assert (x["min"], x["max"]) == (values.min(), values.max())
    assert math.isclose(x["mean"], values.mean())
    assert math.isclose(x["std"], values.std())
    assert sum(x["histogram"]["counts"]) == 99
    assert len(x["histogram"]["edges"]) == len(x["histogram"]["counts"]) + 1
    c = next(column for column in found["columns"] if column["name"] == "c")
    assert c["top"] == [["a", 50], ["b", 50]]
    assert c["sample"] == ["a", "b"]
    assert set(found["problems"][0]) == {"level", "where", "found", "remedy"}


def test_thumbnails_go_with_the_pictures() -> None:
    content = images(arrays(np.zeros((20, 4, 4, 1), np.uint8), ["a", "b"] * 10))
    findings = examine(content, "classification", ("label",))
    sheet = [{"file": "figures/data-0.png", "label": "a"}]
    assert findings.to_json(sheet)["pictures"]["thumbnails"] == sheet
    assert findings.to_json()["pictures"]["thumbnails"] == []


def test_errors_stop_and_stand_first() -> None:
    frame = {"x": [*numbers(99), math.inf], "z": ["n"] * 100, "y": [*numbers(99, seed=1), None]}
    findings = examine(table(frame))
    assert [problem.level for problem in findings.problems] == ["error", "error", "note"]
    assert len(findings.errors) == 2
    with pytest.raises(DataError, match="infinite value") as caught:
        findings.stop()
    assert caught.value.exit_code == 2
    assert "the target is missing in 1 example of 100" in str(caught.value)
    examine(table({"x": numbers(100), "y": numbers(100, seed=1)})).stop()


def test_what_the_reader_found_is_kept() -> None:
    said = Problem("warning", "t.csv, line 7", "a row of 3 fields among rows of 4", "mend the row")
    content = table({"x": numbers(100), "y": numbers(100, seed=1)})
    kept = Content(**{**vars(content), "problems": (said, said), "notes": ("the separator is a tab",)})
    findings = examine(kept)
    assert findings.problems == (said,)
    assert findings.notes == ("the separator is a tab",)


def test_a_table_of_which_no_target_is_known() -> None:
    content = table({"x": numbers(100), "site": ["north"] * 100})
    findings = check(content, recipe.Data(), inferred=Inferred("", (), "no target is named", "--target"))
    assert [problem.level for problem in findings.problems] == ["note"]
    assert findings.to_json()["classes"] == []


def test_large_tables_are_described_by_a_sample() -> None:
    rows = 120_000
    rng = np.random.default_rng(0)
    frame = {
        "x": rng.normal(size=rows),
        "k": rng.integers(0, 30_000, rows),
        "c": np.array(["a", "b", "c"])[rng.integers(0, 3, rows)],
        "y": rng.normal(size=rows),
    }
    findings = examine(table(frame), deep=False)
    columns = {column["name"]: column for column in findings.to_json()["columns"]}
    assert columns["x"]["max"] == frame["x"].max()  # exact, though the sample may miss it
    assert columns["x"]["distinct"] == rows
    assert abs(columns["k"]["distinct"] - 30_000) < 1500
    assert columns["c"]["distinct"] == 3
    assert "taken from 50,000 of 120,000 rows" in findings.notes[0]


def test_the_doctor_needs_no_torch() -> None:
    code = "import sys, sonde.data.check, sonde.data.checks.shift, sonde.data.checks.sheet; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["False", "False"]


# -- odd frames ------------------------------------------------------------------------------------------------------

WORDS = st.one_of(
    st.text(max_size=12), st.sampled_from(["", " ", "NaN", "inf", "1e999", "-0", "0x1f", "12", "é", "𝔘", "2021-02-30", "a\nb", "?", "1,5"])
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    pl.Float64: st.floats(),
    pl.Float32: st.floats(width=32),
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.UInt64: st.integers(0, 2**64 - 1),
    pl.Int8: st.integers(-128, 127),
    pl.Boolean: st.booleans(),
    pl.String: WORDS,
    pl.Date: st.dates(),
    pl.Datetime("us"): st.datetimes(),
    pl.Duration("us"): st.timedeltas(timedelta(days=-40_000), timedelta(days=40_000)),
    pl.Time: st.times(),
    pl.Categorical: WORDS,
    pl.Binary: st.binary(max_size=4),
    pl.Null: st.none(),
    pl.List(pl.Int64): st.lists(st.integers(0, 3), max_size=3),
    pl.Decimal(20, 3): st.decimals(-(10**9), 10**9, places=3),
}
TARGETS = (pl.Float64, pl.Int64, pl.UInt64, pl.Boolean, pl.String, pl.Null, pl.Int8)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Any few columns of any types, with a target y."""
    rows = draw(st.sampled_from([0, 1, 2, 5, 25, 60]))
    names = draw(st.lists(WORDS.filter(lambda name: name != "y"), min_size=0, max_size=4, unique=True))
    columns = []
    for name, kind in [*((name, draw(st.sampled_from(list(VALUES)))) for name in names), ("y", draw(st.sampled_from(TARGETS)))]:
        some = draw(st.lists(st.one_of(VALUES[kind], VALUES[kind], VALUES[kind], st.none()), min_size=min(rows, 8), max_size=min(rows, 8)))
        columns.append(pl.Series(name, (some * 8)[:rows] if some else [], dtype=kind))
    return pl.DataFrame(columns)


def sound(findings: Findings) -> dict[str, Any]:
    """Every problem says something, and data.json is JSON."""
    for problem in findings.problems:
        assert problem.level in ("error", "warning", "note")
        assert problem.where.strip()
        assert problem.found.strip()
        assert problem.remedy.strip()
    return json.loads(json.dumps(findings.to_json(), allow_nan=False))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames(), st.sampled_from(["regression", "classification", "multi-label-classification"]), st.booleans())
def test_no_table_breaks_the_check(frame: pl.DataFrame, task: str, deep: bool) -> None:
    found = sound(examine(table(frame), task, deep=deep))
    assert [column["name"] for column in found["columns"]] == frame.columns
    for column in found["columns"]:
        assert 0 <= column["distinct"] <= frame.height
        assert 0 <= column["missing"] <= frame.height


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames(), frames(), st.sampled_from(["regression", "classification"]))
def test_no_two_parts_break_the_check(train: pl.DataFrame, test: pl.DataFrame, task: str) -> None:
    sound(examine(table(train, test=test), task))
    for problem in shift(Examples(train), Examples(test), recipe.Data(target=("y",))):
        assert problem.where
        assert problem.found
        assert problem.remedy


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.one_of(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.none()), max_size=40),
    st.lists(st.floats(), min_size=40, max_size=40),
)
def test_no_series_breaks_the_check(when: list[date | None], values: list[float]) -> None:
    frame = pl.DataFrame({"day": pl.Series(when, dtype=pl.Date), "y": values[: len(when)]}, schema={"day": pl.Date, "y": pl.Float64})
    sound(examine(series(frame), "forecasting"))


# -- real data -------------------------------------------------------------------------------------------------------


def read(path: Path, **options: Any) -> Content:
    """A CSV file as a table, without the help of the readers."""
    frame = pl.read_csv(path, infer_schema_length=None, **options)
    return Content("table", path.name, path.stem, "a table", {"all": Examples(frame)}, "0" * 64)


def diagnose(content: Content, *target: str, deep: bool = False) -> Findings:
    """The findings before training starts, parts drawn as `train` draws them."""
    data = recipe.Data(target=target)
    inferred = infer(content, data, None)
    parts = split(content, data, task=inferred.task, targets=inferred.targets, seed=0)
    return check(content, data, inferred=inferred, parts=parts, deep=deep)


def test_california_housing(sonde_data: Path) -> None:
    findings = diagnose(read(sonde_data / "california_housing/housing.csv"), "median_house_value")
    assert not findings.errors
    assert one(findings, "missing values").found == "1 column with missing values in 20,640 rows: 'total_bedrooms' 207"
    assert one(findings, "exactly 500001").found.startswith("965 of 20,640 values are exactly 500001, the largest")
    assert one(findings, "exactly 52").found.startswith("1,273 of 20,640")
    assert one(findings, "exactly 15.0001").found.startswith("49 of 20,640")
    none(findings, "gives the target")
    none(findings, "repeat")
    columns = {column["name"]: column for column in findings.to_json()["columns"]}
    assert columns["ocean_proximity"]["type"] == "category"
    assert columns["ocean_proximity"]["top"][0] == ["<1H OCEAN", 9136]


def test_house_prices(sonde_data: Path) -> None:
    train = pl.read_csv(sonde_data / "house_prices/train.csv", infer_schema_length=None, null_values=["NA"])
    findings = diagnose(table(train), "SalePrice")
    assert not findings.errors
    assert "identifier" in one(findings, "'Id'").found
    assert one(findings, "'PoolQC'").found == "1,453 of 1,460 values are missing (99.5%)"
    assert "17 columns with missing values" in one(findings, "columns with missing").found
    test = pl.read_csv(sonde_data / "house_prices/test.csv", infer_schema_length=None, null_values=["NA"])
    assert shift(Examples(train), Examples(test), recipe.Data(id="Id", target=("SalePrice",))) == []


def test_adult(sonde_data: Path) -> None:
    def plain(name: str) -> pl.DataFrame:
        written = (sonde_data / "adult" / name).read_bytes().replace(b", ", b",")
        frame = pl.read_csv(io.BytesIO(written), has_header=False, infer_schema_length=None, null_values=["?"])
        return frame.rename({frame.columns[-1]: "income", frame.columns[10]: "gain"}).filter(pl.col("income").is_not_null())

    train, test = plain("adult.data"), plain("adult.test")
    findings = diagnose(table(train), "income", deep=True)
    assert not findings.errors
    assert one(findings, "'gain'").found == "159 of 32,561 values are exactly 99999, the largest: larger ones may have been cut off there"
    whole = examine(table(train), "classification", ("income",))
    copies = one(whole, "repeat an earlier one")
    assert copies.found.startswith("24 rows of 32,561 repeat an earlier one exactly")
    assert copies.level == "note"
    assert one(whole, "different target").found.startswith("2 rows have the inputs of another row but a different target (lines ")
    together = examine(table(train, test=test), "classification", ("income",))
    unseen = one(together, "not among the training classes")
    assert unseen.found == "classes '<=50K.', '>50K.' (16,281 examples) not among the training classes '<=50K', '>50K'"
    assert unseen.remedy == "'<=50K.' is probably '<=50K'; '>50K.' is probably '>50K': write it in one way"
    mended = examine(table(train, test=test.with_columns(income=pl.col("income").str.strip_chars_end("."))), "classification", ("income",))
    assert not mended.errors
    assert one(mended, "in the test part").found.startswith("26 rows of 16,281 in the test part stand in the train part too (")


def test_titanic(sonde_data: Path) -> None:
    findings = diagnose(read(sonde_data / "titanic/train.csv"), "Survived")
    assert not findings.errors
    columns = {column["name"]: (column["type"], column["role"], column["missing"]) for column in findings.to_json()["columns"]}
    assert columns["PassengerId"] == ("identifier", "left-out", 0)
    assert columns["Name"] == ("text", "feature", 0)
    assert columns["Cabin"] == ("category", "feature", 687)
    assert columns["Age"] == ("number", "feature", 177)
    assert "'Cabin' 687, 'Age' 177, 'Embarked' 2" in one(findings, "missing values").found
    assert one(findings, "681 different categories").where.endswith("column 'Ticket'")
    assert [sum(entry["counts"].values()) for entry in findings.to_json()["classes"]] == [549, 342]


def test_daily_views(sonde_data: Path) -> None:
    def views(name: str) -> Findings:
        frame = pl.read_csv(sonde_data / "daily_views" / name, try_parse_dates=True)
        return examine(series(frame.rename({"ds": "day"})), "forecasting")

    football = views("wp_log_peyton_manning.csv")
    assert one(football, "gap").found.startswith("29 gaps, 59 of 2,964 days are missing (")
    none(football, "order of time")
    assert football.to_json()["series"] | {"points": []} == {
        "start": "2007-12-10",
        "end": "2016-01-20",
        "step": "day",
        "gaps": 29,
        "points": [],
    }
    language = views("wp_log_R.csv")
    assert "rows are not in the order of time" in one(language, "order of time").found
    assert "gap" in one(language, "gap").found


def test_flowers(sonde_data: Path, tmp_path: Path) -> None:
    with tarfile.open(sonde_data / "flowers/flowers.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    content = read_class_folders(tmp_path / "flowers")
    inferred = infer(content, recipe.Data(), None)
    findings = check(content, recipe.Data(), inferred=inferred, deep=True)
    assert not [problem for problem in findings.problems if problem.level != "note"]
    found = findings.to_json()
    assert found["pictures"]["count"] == 375
    assert found["pictures"]["modes"] == {"RGB": 375}
    assert len(found["pictures"]["sizes"]) == 109
    assert all(entry["counts"] == {"train": 60, "validation": 15} for entry in found["classes"])
    assert shift(content.parts["train"], content.parts["validation"], recipe.Data()) == []
