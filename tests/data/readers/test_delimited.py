"""CSV and its kin: what is understood, and what is said of what is not."""

from __future__ import annotations

import csv
import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.data.readers.delimited import Table, read_delimited
from sonde.data.readers.values import MISSING
from sonde.errors import DataError


def read(text: str | bytes, **options: object) -> Table:
    raw = text.encode() if isinstance(text, str) else text
    return read_delimited(raw, where="t.csv", **options)  # type: ignore[arg-type]


def columns(text: str | bytes, **options: object) -> dict[str, list[object]]:
    return read(text, **options).examples.frame.to_dict(as_series=False)


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_separators_are_told(separator: str) -> None:
    text = "a,b\n1,x\n2,y\n".replace(",", separator)
    assert columns(text) == {"a": [1, 2], "b": ["x", "y"]}


def test_runs_of_blanks_separate_where_nothing_else_does() -> None:
    assert columns(" 0.1  2  x\n 11.5 3  y\n 2.25 4  x \n") == {"column1": [0.1, 11.5, 2.25], "column2": [2, 3, 4], "column3": ["x", "y", "x"]}


def test_decimal_commas() -> None:
    assert columns("a;b\n1,5;2\n-0,25;3\n") == {"a": [1.5, -0.25], "b": [2, 3]}


@pytest.mark.parametrize("mark", [*MISSING, " ", " NA", " ?"])
def test_marks_of_missing_values(mark: str) -> None:
    assert columns(f"a,b\n1,x\n{mark},{mark}\n2,y\n") == {"a": [1, None, 2], "b": ["x", None, "y"]}


def test_none_is_a_value() -> None:
    assert columns("a,b\nNone,1\nBrick,2\n")["a"] == ["None", "Brick"]


def test_types() -> None:
    frame = read("whole,fraction,text,mixed,long\n1,1,a,1,12345678901234567890\n-2,2.5e3,b,two,12345678901234567891\n").examples.frame
    assert frame.dtypes == [pl.Int64, pl.Float64, pl.String, pl.String, pl.String]
    assert frame["fraction"].to_list() == [1.0, 2500.0]


def test_quotes_commas_and_lines_inside_them() -> None:
    table = read('name,age\n"Braund, Mr. Owen",22\n"two\nlines",3\n"say ""hi""",4\n')
    assert table.examples.frame["name"].to_list() == ["Braund, Mr. Owen", "two\nlines", 'say "hi"']
    assert [table.examples.line(row) for row in range(3)] == [2, 3, 5]


def test_blanks_after_separators_and_blank_lines() -> None:
    table = read("a, b\n1, x\n\n2, y\n\n")
    assert table.examples.frame.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}
    assert [table.examples.line(row) for row in range(2)] == [2, 4]


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_line_endings(ending: str) -> None:
    assert columns(f"a,b{ending}1,2{ending}") == {"a": [1], "b": [2]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    assert columns("città,n\nZürich,1\n".encode(encoding)) == {"città": ["Zürich"], "n": [1]}


def test_another_encoding_is_said_with_its_line() -> None:
    table = read("city,n\nOslo,1\nZürich,2\n".encode("cp1252"))
    assert table.examples.frame["city"].to_list() == ["Oslo", "Zürich"]
    assert table.notes == ("line 3 is not UTF-8 (byte 0xfc), so the file was read as Windows-1252",)


def test_missing_header_is_noticed() -> None:
    table = read("1,2.5,red\n2,3.5,blue\n")
    assert table.examples.frame.columns == ["column1", "column2", "column3"]
    assert not table.header
    assert table.examples.line(0) == 1
    (problem,) = table.problems
    assert (problem.level, problem.where) == ("warning", "t.csv, line 1")
    assert problem.found == "the first line looks like a row (1, 2.5, red), so there is no header"
    assert problem.remedy == "the columns are called column1 to column3; put a line of names on top to name them"


def test_missing_header_of_words_is_noticed_by_repetition() -> None:
    assert not read("vhigh,small,low\nvhigh,big,high\nlow,small,low\nvhigh,big,med\n").header
    assert read("price,size,safety\nvhigh,big,high\nlow,small,low\nvhigh,big,med\n").header


def test_missing_header_of_a_known_file() -> None:
    row = "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K"
    table = read(f"|1x3 Cross validator\n{row}\n{row.replace('State-gov', '?')}\n", stem="adult")
    assert table.examples.frame.columns[0] == "age"
    assert table.examples.frame["workclass"].to_list() == ["State-gov", None]
    assert table.examples.line(0) == 2
    assert "line 1 ('|1x3 Cross validator') is no row of the table and was passed over" in table.notes


def test_names_of_the_training_file_serve_a_file_without_header() -> None:
    assert columns("1,2\n3,4\n", names=["a", "b"]) == {"a": [1, 3], "b": [2, 4]}


def test_ragged_rows_are_named_by_line() -> None:
    table = read("a,b,c\n1,2,3\n4,5\n6,7,8\n9,10,11,12\n13,14,15\n")
    first, second = table.problems
    assert (first.level, first.where, first.example) == ("error", "t.csv, line 3", 1)
    assert first.found == "the row has 2 fields, where there are 3 columns"
    assert first.remedy == "add the missing values (empty ones count); `--on-error skip` leaves such rows out"
    assert (second.where, second.found) == ("t.csv, line 5", "the row has 4 fields, where there are 3 columns")
    assert second.remedy.startswith("quote values that hold the separator")


def test_ragged_rows_can_be_skipped() -> None:
    table = read("a,b,c\n1,2,3\n4,5\n6,7,8\n", on_error="skip")
    assert table.examples.frame["a"].to_list() == [1, 6]
    assert [table.examples.line(row) for row in range(2)] == [2, 4]
    (problem,) = table.problems
    assert (problem.level, problem.example) == ("warning", None)
    assert problem.found == "the row has 2 fields, where there are 3 columns; left out"


def test_separators_at_the_end_of_lines_do_no_harm() -> None:
    assert columns("a,b,\n1,2,\n3,4,\n") == {"a": [1, 3], "b": [2, 4]}
    assert columns("a,b\n1,2,\n3,4,\n") == {"a": [1, 3], "b": [2, 4]}


def test_an_unnamed_column_gets_a_name() -> None:
    table = read(",x\n0,5\n1,6\n")
    assert table.examples.frame.columns == ["column1", "x"]
    assert table.notes == ("a column without a name is called column1",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t.csv: the file is empty \(0 bytes\)\n  → copy or export it again"),
        (" \n \n", r"t.csv: the file is empty"),
        ("a,b\n", r"t.csv: there is a header but no row below it"),
        ('a,b\n1,x\n2,"y\n3,z\n4,w\n', r't.csv, line 3: a quote opened in this row is never closed\n  → close the quote; .* \(""\)'),
        ('a,b\n1,x\n2,"y" z\n3,w\n', r"t.csv, line 3: text follows a closing quote"),
        ('a,b\n1,"' + "x,y\n" * 40000, r"t.csv, line 2: a value of this row is longer than 131,072 characters; is a quote not closed\?"),
        ("a,b,a\n1,2,3\n", r"t.csv, line 1: columns 1 and 3 are all named 'a'\n  → give every column a name of its own"),
        ("a,b\n1,2,3\n4,5,6\n7,8,9\n", r"t.csv, line 1: the header has 2 names, but the rows have 3 fields"),
        ("Once upon a time, there was\na table that was none\nand nobody, not one, knew why\nit was so.\n", r"t.csv: no comma, tab, .* cuts the lines"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", r"t.csv: this is not text\n  → export the table as CSV in UTF-8"),
    ],
)
def test_what_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(text)


def test_mostly_ragged_is_no_table() -> None:
    rows = "\n".join("1,2,3" if row % 2 else "1,2" for row in range(20))
    with pytest.raises(DataError, match=r"t.csv: 10 of 19 rows do not have 3 fields|t.csv, line 1: the header has"):
        read(f"a,b,c\n{rows}\n1,2\n1,2\n")


def test_quotes_that_do_not_pair_in_a_tab_separated_file_are_letters() -> None:
    table = read('text\tlabel\nsix 6" pipe\t1\n"so it begins\t0\nplain\t1\nends"\t0\n')
    assert table.examples.frame["text"].to_list() == ['six 6" pipe', '"so it begins', "plain", 'ends"']
    assert table.notes == ("quotes do not pair within lines, so they are read as letters",)


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"), max_size=8)
CELLS = st.one_of(st.none(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), WORDS.map(lambda word: "w" + word))


@settings(deadline=None, max_examples=100)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_is_written_is_read(rows: list[list[object]], separator: str) -> None:
    """Any table that the csv module writes comes back: every value, missing ones as missing."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC if separator == "," else csv.QUOTE_MINIMAL)
    names = [f"name of {place}" for place in range(len(rows[0]))]
    writer.writerow([*names, "n"])
    writer.writerows([*row, number] for number, row in enumerate(rows))
    frame = read(stream.getvalue()).examples.frame
    assert frame.columns == [*names, "n"]
    assert frame["n"].to_list() == list(range(len(rows)))
    for place, name in enumerate(names):
        for written, found in zip([row[place] for row in rows], frame[name].to_list(), strict=True):
            if isinstance(written, str):
                assert found == written.strip()
            elif written is None or found is None:
                assert found is written
            else:
                assert float(found) == pytest.approx(float(written), rel=1e-15)  # type: ignore[arg-type]


def test_lines_are_left_out_where_they_go_without_saying() -> None:
    assert read("a\n1\n2\n").examples.lines is None
    assert np.array_equal(read("a\n1\n\n2\n").examples.lines, [2, 4])
