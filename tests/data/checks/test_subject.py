"""How places are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from data.checks.making import arrays, images, table
from sonde import recipe
from sonde.data.checks.subject import Rows, Subject, count, quoted, verb
from sonde.data.contents import Content, Examples


def subject(content: Content) -> Subject:
    rows = {part: Rows(part, examples) for part, examples in content.parts.items()}
    return Subject(content, recipe.Data(), "regression", ("y",), rows, (), True)


def test_lines_of_a_file() -> None:
    seen = subject(table({"x": range(10)}))
    rows = Rows("train", seen.content.examples, np.array([2, 5, 7]))
    assert seen.where(rows, column="x", row=1) == "t.csv, line 7, column 'x'"
    assert seen.places(rows, np.array([0])) == "line 4"
    assert seen.places(rows, np.array([0, 1, 2])) == "lines 4, 7, 9"
    assert seen.places(rows, np.array([0, 1, 2]), limit=2) == "lines 4, 7 and 1 more"


def test_lines_that_the_reader_knows() -> None:
    frame = pl.DataFrame({"x": [1, 2, 3]})
    seen = subject(Content("table", "t.csv", "t", "a table", {"all": Examples(frame, lines=np.array([9, 4, 7]))}, "0"))
    assert seen.places(seen.sources[0], np.array([0, 2])) == "lines 9, 7"


def test_each_part_has_its_file() -> None:
    frame = pl.DataFrame({"x": [1, 2, 3]})
    seen = subject(table(frame, test=frame))
    assert [seen.file(rows) for rows in seen.sources] == ["train.csv", "test.csv"]
    folder = Content("table", "data", "d", "a table", {"train": Examples(frame), "test": Examples(frame)}, "0", files=(Path("a"),))
    assert [subject(folder).file(rows) for rows in seen.sources] == ["data (train part)", "data (test part)"]


def test_pictures_have_names() -> None:
    content = images(arrays(np.zeros((3, 2, 2, 1), np.uint8), ["a", "b", "a"]))
    seen = subject(content)
    assert seen.where(seen.sources[0], row=1, column="label") == "leaves, digits[1]"
    assert seen.places(seen.sources[0], np.array([0, 2])) == "digits[0], digits[2]"


def test_words() -> None:
    assert [count(1, "row"), count(1200, "row"), count(2, "class", "classes")] == ["1 row", "1,200 rows", "2 classes"]
    assert quoted(list("abcdefg"), limit=2) == "'a', 'b' and 5 more"
    assert [verb(1, "is", "are"), verb(3, "is", "are")] == ["is", "are"]
