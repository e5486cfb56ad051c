"""Table files by their suffix, and frames from Python."""

from __future__ import annotations

import gzip
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas
import polars as pl
import pytest

from sonde.data.readers import tables
from sonde.data.readers.frames import from_rows, read_frame
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.tables import is_table, read_table, stem
from sonde.errors import DataError

FRAME = pl.DataFrame({"n": [1, 2, None], "x": [0.5, None, 2.5], "s": ["a", "b", None]})


def rows(table: tables.Table) -> dict[str, list[object]]:
    return table.examples.frame.to_dict(as_series=False)


def test_csv_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are read with care, larger ones by Polars; both give the same."""
    file = tmp_path / "t.csv"
    FRAME.write_csv(file)
    careful = rows(read_table(file))
    monkeypatch.setattr(tables, "CAREFUL", 0)
    assert rows(read_table(file)) == careful == FRAME.to_dict(as_series=False)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv.gz"])
def test_gzipped(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"a,b\n1,2\n".replace(b",", b"\t" if "tsv" in name else b",")))
    assert rows(read_table(tmp_path / name)) == {"a": [1], "b": [2]}
    (tmp_path / name).write_bytes(gzip.compress(b"a,b\n1,2\n")[:-9])
    with pytest.raises(DataError, match=r"the gzip file is damaged or cut short \(.*\)\n  → copy it again"):
        read_table(tmp_path / name)


def test_a_gzipped_table_may_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "UNPACKED", 100)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a\n" + b"1\n" * 100))
    with pytest.raises(DataError, match=r"the table is larger than 100 bytes when unpacked\n  → unpack it first"):
        read_table(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("mapped", [False, True])
def test_parquet_and_arrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: bool) -> None:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tables, "MAPPED", 0 if mapped else 2**30)
    frame = FRAME.with_columns(day=pl.lit(date(2021, 1, 26)), flag=pl.lit(True), kind=pl.col("s").cast(pl.Categorical))
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    for name in ("t.parquet", "t.arrow"):
        found = read_table(tmp_path / name).examples.frame
        assert found.equals(frame.with_columns(pl.col("kind").cast(pl.String)))
    assert (tmp_path / "cache").exists() == mapped


def test_parquet_as_pandas_writes_it(tmp_path: Path) -> None:
    pandas.DataFrame({"a": [1, 2], "b": ["x", None]}).to_parquet(tmp_path / "t.parquet")
    assert rows(read_table(tmp_path / "t.parquet"))["b"] == ["x", None]


def test_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"a": 1, "b": "x"}\n\n{"b": "y", "c": [1, 2]}\n{"a": 2.5}\n')
    table = read_table(file)
    assert rows(table) == {"a": [1.0, None, 2.5], "b": ["x", "y", None], "c": [None, "[1, 2]", None]}
    assert [table.examples.line(row) for row in range(3)] == [1, 3, 4]


def test_wrong_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"a": 1}\n{"a": 2\n[3]\n{"a": 4}\n')
    first, second = read_table(file).problems
    assert (first.where, first.example) == (f"{file}, line 2", 1)
    assert first.found == "this is not JSON (Expecting ',' delimiter, column 8)"
    assert (second.where, second.found) == (f"{file}, line 3", "this is list, not an object")
    assert rows(read_table(file, on_error="skip")) == {"a": [1, 4]}
    file.write_text("Dear diary\n")
    with pytest.raises(DataError, match=r"t.jsonl, line 1: this is not JSON .*\n  → write one object a line, such as"):
        read_table(file)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_json_lines_larger_than_memory_are_mapped_and_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: OnError) -> None:
    mixed = ('"a": 1', '"a": true, "b": "x"', '"a": 2.5', '"b": 7, "c": [1, 2]')
    values = (*mixed, '"d": null', '"e": 3', '"e": NaN, "f": 1', '"f": "é", "g": 9223372036854775808')
    lines = [f'{{{values[row % 8]}, "row": {row}}}' if row % 29 else ("[3]", "", '{"a"')[row % 3] for row in range(1, 200)]
    file = tmp_path / "t.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    whole = read_table(file, on_error=on_error)
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sonde.data.readers.tables.MAPPED", 100)
    monkeypatch.setattr("sonde.data.readers.large_json_lines.CHUNK", 7)
    for _ in range(2):  # made, then found in the cache
        mapped = read_table(file, on_error=on_error)
        assert rows(mapped) == rows(whole)
        assert mapped.examples.frame.schema == whole.examples.frame.schema
        assert [mapped.examples.line(row) for row in range(mapped.examples.frame.height)] == [
            whole.examples.line(row) for row in range(whole.examples.frame.height)
        ]
        assert mapped.problems == whole.problems and mapped.problems
    file.write_text("Dear diary\n" * 20)
    with pytest.raises(DataError, match=r"t.jsonl, line 1: this is not JSON .*\n  → write one object a line, such as"):
        read_table(file, on_error=on_error)


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text('[{"a": 1}, {"a": 2}]')
    assert rows(read_table(file)) == {"a": [1, 2]}
    file.write_text('{"a": 1}')
    with pytest.raises(DataError, match=r"this JSON is not a list of objects\n  → write \[\{"):
        read_table(file)
    file.write_text('[\n{"a": }]')
    with pytest.raises(DataError, match=r"t.json, line 2: this is not JSON"):
        read_table(file)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_damaged_columns(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1 no parquet at all")
    with pytest.raises(DataError, match=rf"{name}: the file is damaged or not {name[2:]} \(.*\)\n  → export it again"):
        read_table(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=rf"{name}: the file is empty \(0 bytes\)"):
        read_table(tmp_path / name)


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    FRAME.clear().write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"the table has no rows"):
        read_table(tmp_path / "t.parquet")


def test_names(tmp_path: Path) -> None:
    assert is_table(Path("a.CSV"))
    assert is_table(Path("a.csv.gz"))
    assert not is_table(Path("a.txt"))
    assert not is_table(Path("a.test"))
    (tmp_path / "a.data").touch()
    assert is_table(tmp_path / "a.test")
    assert stem(Path("houses.v2.csv.gz")) == "houses.v2"


def test_polars_frames() -> None:
    table = read_frame(FRAME.with_columns(x=pl.col("x").fill_null(float("nan"))), "the frame")
    assert rows(table) == FRAME.to_dict(as_series=False)
    assert table.examples.line(2) == 2
    assert read_frame(FRAME.lazy(), "the frame").examples.frame.equals(FRAME)


def test_types_that_are_made_plain() -> None:
    frame = pl.DataFrame(
        {
            "money": pl.Series(["1.50"]).cast(pl.Decimal(10, 2)),
            "span": [timedelta(minutes=1)],
            "when": pl.Series([datetime(2021, 1, 26, 12)]).dt.replace_time_zone("Europe/Oslo"),
            "kind": pl.Series(["a"], dtype=pl.Enum(["a", "b"])),
            "lists": [[1, 2]],
            "nothing": [None],
        }
    )
    table = read_frame(frame, "the frame")
    assert rows(table) == {"money": [1.5], "span": [60.0], "when": [datetime(2021, 1, 26, 11)], "kind": ["a"], "nothing": [None]}
    assert table.notes == ("columns left out, as they hold neither numbers nor text nor dates: lists (List(Int64))",)


def test_pandas_frames() -> None:
    frame = pandas.DataFrame(
        {
            "whole": [1, 2],
            "gap": [0.5, np.nan],
            "word": ["a", None],
            "kind": pandas.Categorical(["x", "y"]),
            "when": pandas.to_datetime(["2021-01-26", None]),
            "zone": pandas.to_datetime(["2021-01-26 12:00", "2021-01-27 12:00"]).tz_localize("Europe/Oslo"),
            "nullable": pandas.array([3, None], dtype="Int64"),
            "flag": [True, False],
            "mixed": [1, "b"],
            7: [0, 1],
        },
        index=[10, 20],
    )
    assert rows(read_frame(frame, "the frame")) == {
        "whole": [1, 2],
        "gap": [0.5, None],
        "word": ["a", None],
        "kind": ["x", "y"],
        "when": [datetime(2021, 1, 26), None],
        "zone": [datetime(2021, 1, 26, 11), datetime(2021, 1, 27, 11)],
        "nullable": [3, None],
        "flag": [True, False],
        "mixed": ["1", "b"],
        "7": [0, 1],
    }


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), r"the frame: two columns are named 'a'"),
        (pandas.DataFrame({"a": []}), r"the frame: the table has no rows"),
        (pl.DataFrame({"a": [[1]]}), r"the frame: no column holds numbers, text or dates"),
        (pl.DataFrame(), r"the frame: no column holds"),
    ],
)
def test_frames_that_are_refused(frame: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_frame(frame, "the frame")


def test_rows() -> None:
    frame = from_rows([{"a": 1, "when": date(2021, 1, 26)}, {"a": None, "b": True}], "the rows")
    assert frame.schema == {"a": pl.Int64, "when": pl.Date, "b": pl.Boolean}
    assert frame["a"].to_list() == [1, None]
    with pytest.raises(DataError, match=r"the rows: the rows hold no values"):
        from_rows([{}], "the rows")
