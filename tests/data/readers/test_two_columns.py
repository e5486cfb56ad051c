"""Two columns of text: sentences with labels, sentences with translations, and tables that hold such columns."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sonde.data.contents import Content
from sonde.data.open import open_data
from sonde.errors import DataError
from sonde.recipe import Data

LABELLED = [("a fine and moving film", "1"), ('what a "dull" story', "0"), ("I was asleep by then", "0"), ("see it twice", "1")]
PAIRS = [("Go.", "Va !"), ("Run!", "Cours !"), ("Run!", "Courez !"), ("I see you.", "Je te vois."), ("Who is it?", "Qui est-ce ?")]


def write(path: Path, rows: list[tuple[str, ...]], mark: str = "\t") -> Path:
    path.write_text("".join(mark.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def columns(content: Content, *names: str, part: str = "all") -> list[tuple[object, ...]]:
    return content.parts[part].frame.select(names).rows()  # type: ignore[index]


@pytest.mark.parametrize("turned", [False, True])
def test_a_column_of_few_values_that_come_again_is_the_label(tmp_path: Path, turned: bool) -> None:
    rows = [row[::-1] for row in LABELLED] if turned else LABELLED
    content = open_data(write(tmp_path / "films.tsv", rows))
    assert (content.kind, content.target) == ("text", "label")
    assert columns(content, "text", "label") == [(text, int(label)) for text, label in LABELLED]
    assert content.reason == "4 texts, each with 'label'"
    assert content.examples.line(2) == 3


def test_else_the_lines_are_pairs(tmp_path: Path) -> None:
    content = open_data(write(tmp_path / "fra.txt", PAIRS))
    assert (content.kind, content.target, content.reason) == ("pairs", "target", "5 pairs of sentences")
    assert columns(content, "source", "target") == PAIRS
    # 101 distinct values are too many for labels, though each comes twice.
    many = [(f"this is sentence {number}", f"word{number % 101}") for number in range(202)]
    assert open_data(write(tmp_path / "many.tsv", many)).kind == "pairs"
    assert open_data(write(tmp_path / "many.tsv", [(text, label) for text, label in many if label != "word100"])).kind == "text"


def test_a_first_line_of_names_is_a_header(tmp_path: Path) -> None:
    content = open_data(write(tmp_path / "films.tsv", [("sentence", "rating"), *LABELLED]))
    assert content.target == "rating"
    assert columns(content, "text") == [(text,) for text, _ in LABELLED]
    assert content.examples.line(0) == 2
    assert content.notes == (f"{tmp_path / 'films.tsv'}: the first line names the columns 'sentence' and 'rating'",)


def test_parts_by_their_names(tmp_path: Path) -> None:
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        write(tmp_path / name, LABELLED)
    content = open_data(tmp_path)
    assert list(content.parts) == ["train", "validation", "test"]
    assert content.reason == "12 texts, each with 'label' in train, validation, test"


def test_a_saved_recipe_reads_few_rows_as_it_read_many(tmp_path: Path) -> None:
    path = write(tmp_path / "new.tsv", LABELLED[:1])
    assert open_data(path).kind == "pairs"
    assert open_data(path, Data(target=("label",))).kind == "text"
    assert open_data(write(tmp_path / "p.tsv", PAIRS), Data(target=("target",))).kind == "pairs"


def test_text_and_target_name_columns_of_any_table(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1, 2, 3, 4], "review": [text for text, _ in LABELLED], "stars": [1, 5, 1, 5], "text": ["a", "b", "c", "d"]})
    frame.write_csv(tmp_path / "reviews.csv")
    frame.write_ndjson(tmp_path / "reviews.jsonl")
    for name in ("reviews.csv", "reviews.jsonl"):
        content = open_data(tmp_path / name, Data(text="review", target=("stars",)))
        assert (content.kind, content.target) == ("text", "stars")
        assert columns(content, "text", "stars") == [(text, stars) for (text, _), stars in zip(LABELLED, [1, 5, 1, 5], strict=True)]
    assert open_data(frame, Data(text="review")).target is None
    with pytest.raises(DataError, match=r"there is no column 'reviw' of text\n  → did you mean 'review'\? \(--text\)"):
        open_data(frame.drop("text"), Data(text="reviw"))


def test_two_languages_of_a_table_by_name(tmp_path: Path) -> None:
    long = [(f"I have seen {number} of them.", f"J'en ai vu {number} en tout.") for number in range(300)]
    frame = pl.DataFrame({"en": [one for one, _ in long], "fr": [other for _, other in long], "number": range(300)})
    content = open_data(frame, Data(text="fr", target=("en",)))
    assert content.kind == "pairs"
    assert columns(content, "source", "target")[:1] == [(long[0][1], long[0][0])]
    assert content.reason == "300 pairs of sentences from 'fr' to 'en'"


def test_tables_of_a_sentence_and_a_label_are_text_and_others_stay_tables(tmp_path: Path) -> None:
    rows = LABELLED * 2
    frame = pl.DataFrame({"review": [f"{text} {number}" for number, (text, _) in enumerate(rows)], "good": [label for _, label in rows]})
    assert open_data(frame).kind == "text"
    assert open_data(pl.DataFrame({"name": ["Oslo", "Bergen", "Rome"] * 3, "big": [1, 0, 1] * 3})).kind == "table"
    assert open_data(pl.DataFrame({"age": [1, 2, 3], "price": [1.5, 2.5, 3.5]})).kind != "text"


def test_blank_texts_are_left_out_with_a_warning(tmp_path: Path) -> None:
    content = open_data(write(tmp_path / "films.tsv", [*LABELLED, ("  ", "1"), ("", "0")]))
    (problem,) = content.problems
    assert problem.level == "warning"
    assert problem.where == f"{tmp_path / 'films.tsv'}, lines 5, 6"
    assert problem.found == "2 rows without text left out"
    assert len(content.examples) == 4
    pairs = open_data(write(tmp_path / "fra.txt", [*PAIRS, ("Hello.", " ")]))
    assert pairs.problems[0].found == "a pair with a blank side was left out"


def test_lines_of_other_widths(tmp_path: Path) -> None:
    right = [(f"{text} {number}", label) for number, (text, label) in enumerate(LABELLED * 50)]
    rows: list[tuple[str, ...]] = [*right, ("no tab here",), ("one", "two", "three")]
    path = write(tmp_path / "films.tsv", rows)
    content = open_data(path)
    assert [problem.found for problem in content.problems] == ["this line has 1 column, and others two", "this line has 3 columns, and others two"]
    assert [problem.level for problem in content.problems] == ["error", "error"]
    assert [problem.level for problem in open_data(path, Data(on_error="skip")).problems] == ["warning", "warning"]


def test_a_sentence_of_a_million_characters(tmp_path: Path) -> None:
    content = open_data(write(tmp_path / "films.tsv", [*LABELLED, ("long " * 200_000, "1")]))
    assert content.examples.frame["text"].str.len_chars().max() == 999_999


TOGETHER = "id\tpremise\thypothesis\tjudgment\n1\tA dog runs.\tAn animal moves.\tyes\n2\tA cat sleeps.\tA dog barks.\tno\n3\tIt rains.\tIt is dry.\tno\n"


def test_two_texts_that_are_read_together(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(TOGETHER)
    content = open_data(str(path), Data(text="premise,hypothesis", target=("judgment",)))
    frame = content.examples.frame
    assert (content.kind, content.target) == ("text", "judgment")
    assert content.reason == "3 pairs of texts, each with 'judgment'"
    assert frame["text"].to_list() == ["A dog runs.", "A cat sleeps.", "It rains."]
    assert frame["second"].to_list() == ["An animal moves.", "A dog barks.", "It is dry."]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("premise,hypotesis", r"there is no column 'hypotesis' of text\n.*did you mean 'hypothesis'"),
        ("premise,hypothesis,judgment", "--text names 3 columns"),
        ("premise,premise", "--text names 'premise' twice"),
    ],
)
def test_two_texts_are_two_columns(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(TOGETHER)
    with pytest.raises(DataError, match=found):
        open_data(str(path), Data(text=text, target=("judgment",)))


def test_a_column_of_the_name_of_the_second_text_is_none(tmp_path: Path) -> None:
    path = tmp_path / "one.tsv"
    path.write_text(TOGETHER.replace("hypothesis", "second"))
    frame = open_data(str(path), Data(text="premise", target=("judgment",))).examples.frame
    assert "second" not in frame.columns
    assert "second " in frame.columns


def test_a_table_that_is_called_text_is_read_again_as_it_was(tmp_path: Path) -> None:
    """A saved recipe names the tokeniser, too."""
    path = tmp_path / "pairs.txt"
    path.write_text(TOGETHER)
    asked = Data(text="premise,hypothesis", target=("judgment",))
    for data in (asked, asked.model_copy(update={"tokenizer": "bert"})):
        assert open_data(str(path), data).reason == "3 pairs of texts, each with 'judgment'"
