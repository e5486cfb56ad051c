"""Large CSV files: the same table as the careful reader gives, parsed by Polars, and memory-mapped above a size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonde.data.readers import large_csv
from sonde.data.readers.arrow_map import map_frame
from sonde.data.readers.delimited import Table, read_delimited
from sonde.data.readers.large_csv import read_large_csv
from sonde.errors import DataError

Reader = Callable[..., Table]


@pytest.fixture(params=["streamed", "mapped"])
def read(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Reads text as a large file, in memory or through a memory-mapped one."""
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_csv, "MAPPED", 0 if request.param == "mapped" else 2**30)
    file = tmp_path / "t.csv"

    def reader(text: str | bytes, **options: object) -> Table:
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_large_csv(file, **options)  # type: ignore[arg-type]

    return reader


def same(read: Reader, text: str, **options: object) -> Table:
    """The table, once it has been found equal to what the careful reader gives."""
    table, careful = read(text, **options), read_delimited(text.encode(), where="t.csv", **options)  # type: ignore[arg-type]
    assert table.examples.frame.equals(careful.examples.frame), (table.examples.frame, careful.examples.frame)
    rows = range(len(table.examples))
    assert [table.examples.line(row) for row in rows] == [careful.examples.line(row) for row in rows]
    assert table.header == careful.header
    return table


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n2,y\n",
        "a,b\n1,x\n2,y",
        "\ufeffa,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a;b\n1,5;x\n2;y\n",
        "a\tb\n1\tx\n2\ty\n",
        "1,2.5\n3,4.5\n",
        "a,b\n1,NA\nNA,y\n?,z\n",
        "a, b, c\n1, x, 2\n ?, NA, ?\n3, y, 4\n",
        'a,b\n1,"x, y"\n2,"say ""hi"""\n',
        'a,b\n1,"two\nlines"\n2,y\n',
        "a,b\n1,x\n\n2,y\n\n",
        "a,b\n1,\n2,\n",
        "a,b,\n1,x,\n2,y,\n",
        "# title\na,b\n1,x\n2,y\n",
        "a\n1\n\n2\n",
        "long\n12345678901234567890\n12345678901234567891\n",
    ],
)
def test_same_as_the_careful_reader(read: Reader, text: str) -> None:
    same(read, text)


@pytest.mark.parametrize("late", ["2.5", "two", "", " 7 ", "12345678901234567890", "1e3"])
def test_values_beyond_the_sample_make_a_column_wider(read: Reader, monkeypatch: pytest.MonkeyPatch, late: str) -> None:
    """Whole numbers as far as the sample goes, then something else: nothing is lost."""
    monkeypatch.setattr(large_csv, "_HEAD", 64)
    monkeypatch.setattr(large_csv, "_BLOCKS", 1)
    rows = "".join(f"{row},word{row % 3},{row / 4}\n" for row in range(2000))
    same(read, f"a,b,c\n{rows}{late},word,1\n" + rows)


@pytest.mark.parametrize("early", ["", "1"])
def test_a_column_without_values_at_first(read: Reader, monkeypatch: pytest.MonkeyPatch, early: str) -> None:
    monkeypatch.setattr(large_csv, "_HEAD", 64)
    monkeypatch.setattr(large_csv, "_BLOCKS", 1)
    rows = "".join(f"{early},{row}\n" for row in range(2000))
    same(read, f"a,b\n{rows}x,1\n" + rows)
    same(read, f"a,b\n{rows}2.5,1\n" + rows)


def test_ragged_rows_are_named_by_line(read: Reader) -> None:
    rows = "".join(f"{row},x,{row}\n" for row in range(50))
    for wrong in ("1,2\n", "1,2,3,4\n"):
        with pytest.raises(DataError, match=r"t.csv, line 52: the row has [24] fields, where there are 3 columns") as raised:
            read(f"a,b,c\n{rows}{wrong}{rows}")
        assert len(raised.value.problems) == 1


def test_ragged_rows_can_be_skipped(read: Reader) -> None:
    rows = "".join(f"{row},x,{row}\n" for row in range(50))
    table = same(read, f"a,b,c\n{rows}1,2\n{rows}1,2,3,4\n{rows}", on_error="skip")
    assert [problem.level for problem in table.problems] == ["warning", "warning"]
    assert table.problems[0].where.endswith("t.csv, line 52")
    assert table.problems[0].found == "the row has 2 fields, where there are 3 columns; left out"


def test_quotes_are_named_by_line(read: Reader) -> None:
    rows = "".join(f"{row},x\n" for row in range(20))
    with pytest.raises(DataError, match=r"t.csv, line 22: a quote opened in this row is never closed"):
        read(f'a,b\n{rows}1,"open\n{rows}')
    with pytest.raises(DataError, match=r"t.csv, line 22: text follows a closing quote"):
        read(f'a,b\n{rows}1,"closed" early\n{rows}')


def test_other_encodings(read: Reader) -> None:
    rows = "".join(f"Zürich,{row}\n" for row in range(20))
    assert read(f"città,n\n{rows}".encode("utf-16")).examples.frame["città"].unique().to_list() == ["Zürich"]
    table = read(f"city,n\n{rows}".encode("cp1252"))
    assert table.examples.frame["city"].unique().to_list() == ["Zürich"]
    assert table.notes == ("the file is not UTF-8 (byte 0xfc), so it was read as Windows-1252",)


def test_another_encoding_beyond_the_sample(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_csv, "_HEAD", 64)
    monkeypatch.setattr(large_csv, "_BLOCKS", 1)
    rows = "".join(f"plain,{row}\n" for row in range(2000))
    table = read(f"city,n\n{rows}Zürich,1\n{rows}".encode("cp1252"))
    assert table.examples.frame["city"][2000] == "Zürich"


def test_the_parsed_file_is_used_again_with_its_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_csv, "MAPPED", 0)
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n3\n5,6\n")
    first = read_large_csv(file, on_error="skip")
    monkeypatch.setattr(large_csv, "_parse", None)  # a second parse would fail
    again = read_large_csv(file, on_error="skip")
    assert again.examples.frame.equals(first.examples.frame)
    assert again.problems == first.problems
    assert np.array_equal(again.examples.lines, [2, 4])


def test_an_unwritable_cache_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(large_csv, "MAPPED", 0)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"the cache folder cannot be written to \(.*\)\n  → make room there, or set SONDE_CACHE"):
        read_large_csv(tmp_path / "t.csv")


CELLS = st.one_of(
    st.sampled_from(["", "NA", "?", "x", "a b", "é", "2.5", '"q"', "a,b", "1\n2", "-3", "007", "1e5", " pad "]), st.integers(-99, 99).map(str)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, st.integers(0, 9).map(str)), min_size=1, max_size=12))
def test_property_same_as_the_careful_reader(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    quoted = ['"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell for row in rows for cell in row]
    lines = [",".join(quoted[start : start + 3]) for start in range(0, len(quoted), 3)]
    text = "first column,second column,number\n" + "\n".join(lines) + "\n"
    file = tmp_path / "t.csv"
    file.write_bytes(text.encode())
    careful = read_delimited(text.encode(), where="t.csv")
    assert read_large_csv(file).examples.frame.equals(careful.examples.frame)


VALUES = st.one_of(st.none(), st.integers(-(2**40), 2**40))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(VALUES, st.one_of(st.none(), st.floats(allow_nan=False)), st.one_of(st.none(), st.text(max_size=30)), st.booleans()), min_size=1),
    st.integers(1, 5),
)
def test_mapped_frames_are_what_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], batch: int) -> None:
    schema = {"whole": pl.Int64, "fraction": pl.Float64, "text": pl.String, "flag": pl.Boolean}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    file = tmp_path_factory.mktemp("mapped") / "t.arrow"
    frame.lazy().sink_ipc(file, compression="uncompressed", record_batch_size=batch)
    mapped = map_frame(file)
    assert mapped.schema == frame.schema
    assert mapped.equals(frame)
    assert mapped[np.arange(len(rows))[::-1].copy()].equals(frame.reverse())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux says which addresses belong to which file")
def test_mapped_frames_stay_in_their_file(tmp_path: Path) -> None:
    """Column bytes lie inside the mapping of the file, not in memory of their own."""
    frame = pl.DataFrame({"x": np.arange(100_000.0), "s": [f"a text that is longer than twelve bytes {row}" for row in range(100_000)]})
    file = tmp_path / "t.arrow"
    frame.lazy().sink_ipc(file, compression="uncompressed")
    column = map_frame(file)["x"]
    ranges = [line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines() if str(file) in line]
    address = column.slice(0, column.chunk_lengths()[0]).to_numpy(allow_copy=False).ctypes.data
    assert any(int(low, 16) <= address < int(high, 16) for low, high in ranges)
