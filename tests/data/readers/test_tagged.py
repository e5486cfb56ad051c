"""Tokens with tags: separators, parts, documents, and tags that break BIO."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonde.data.open import open_data
from sonde.data.readers.tagged import broken, mended
from sonde.errors import DataError
from sonde.recipe import Data

TWO = "John\tB-per\nSmith\tI-per\nsleeps\tO\n\t\nin\tO\nOslo\tB-loc\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [TWO, TWO.replace("\t", " "), "-DOCSTART- -X- O\n\n" + TWO.replace("\t", " NN x ").replace("\n NN x \n", "\n\n"), TWO + "\n\n\n"],
)
def test_sentences_of_tokens_and_tags(tmp_path: Path, text: str) -> None:
    content = open_data(write(tmp_path / "names.txt", text))
    assert (content.kind, content.target, content.reason) == ("tagged", "tags", "2 sentences of 5 tagged tokens")
    assert content.examples.frame["tokens"].to_list() == [["John", "Smith", "sleeps"], ["in", "Oslo"]]
    assert content.examples.frame["tags"].to_list() == [["B-per", "I-per", "O"], ["O", "B-loc"]]
    first = text.split("\n").index(next(line for line in text.split("\n") if line.startswith("John"))) + 1
    assert [content.examples.line(row) for row in (0, 1)] == [first, first + 4]
    assert not content.problems


def test_parts_by_names_of_any_form(tmp_path: Path) -> None:
    for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"):
        write(tmp_path / name, TWO)
    assert list(open_data(tmp_path).parts) == ["train", "validation", "test"]


def test_parts_of_speech_need_no_o_where_the_name_says_what_it_is(tmp_path: Path) -> None:
    content = open_data(write(tmp_path / "pos.conll", "dogs NOUN\nrun VERB\n\nfast ADV\n"))
    assert content.examples.frame["tags"].to_list() == [["NOUN", "VERB"], ["ADV"]]


@pytest.mark.parametrize(
    ("tags", "wrong", "right"),
    [
        ("O I-x I-x", [1], "O B-x I-x"),
        ("B-x I-y", [1], "B-x B-y"),
        ("I-x O", [0], "B-x O"),
        ("B-x I-x O B-x B-x", [], "B-x I-x O B-x B-x"),
        ("S-x I-x E-x", [1], "S-x B-x E-x"),
        ("O E-x", [1], "O S-x"),
        ("B-x E-x I-x", [2], "B-x E-x B-x"),
        ("U-x L-x", [1], "U-x U-x"),
        ("NOUN VERB", [], "NOUN VERB"),
    ],
)
def test_tags_that_go_on_with_nothing(tags: str, wrong: list[int], right: str) -> None:
    assert [place for _, place in broken([tags.split()])] == wrong
    assert mended([tags.split()]) == [right.split()]


def test_broken_tags_are_named_by_line_and_can_be_mended(tmp_path: Path) -> None:
    path = write(tmp_path / "names.conll", "in\tO\nOslo\tI-loc\n\nMay\tI-per\n")
    content = open_data(path)
    assert [(problem.level, problem.where, problem.found) for problem in content.problems] == [
        ("error", f"{path}, line 2", "the tag 'I-loc' goes on with a span, but follows 'O'"),
        ("error", f"{path}, line 4", "the tag 'I-per' goes on with a span, but follows the beginning of the sentence"),
    ]
    assert "--on-error skip mends all of them as conlleval reads them" in content.problems[0].remedy
    fixed = open_data(path, Data(on_error="skip"))
    assert fixed.examples.frame["tags"].to_list() == [["O", "B-loc"], ["B-per"]]
    assert [(problem.level, problem.where, problem.found) for problem in fixed.problems] == [
        ("warning", f"{path}, lines 2, 4", "2 tags broke BIO and were mended: each begins a span now")
    ]


def test_lines_without_a_tag(tmp_path: Path) -> None:
    path = write(tmp_path / "names.conll", TWO + "alone\n\tO\n")
    with pytest.raises(DataError) as caught:
        open_data(path)
    assert [problem.where for problem in caught.value.problems] == [f"{path}, line 7", f"{path}, line 8"]
    assert caught.value.problems[0].found == "'alone' has no token and tag"
    with pytest.raises(DataError, match="there is no sentence in this file"):
        open_data(write(path, "-DOCSTART- O\n\n"))
