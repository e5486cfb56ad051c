"""SQuAD's JSON: what is read, and what is refused with its file, id and offset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sonde import recipe
from sonde.data.infer import infer
from sonde.data.open import open_data
from sonde.errors import DataError

CONTEXT = "Zoë sailed to Oslo 🌊 in 1911. She came back a year later."


def asked(name: str = "q1", question: str = "Where to?", answers: Any = (("Oslo", 14),), **more: Any) -> dict[str, Any]:
    told = {} if answers is None else {"answers": [{"text": text, "answer_start": start} for text, start in answers]}
    return {"id": name, "question": question, **told, **more}


def written(path: Path, *questions: dict[str, Any], context: str = CONTEXT, mark: str = "") -> Path:
    document = {"version": "v2.0", "data": [{"title": "Zoë", "paragraphs": [{"context": context, "qas": list(questions)}]}]}
    path.write_text(mark + json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


def test_questions_are_read_with_their_paragraph(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", asked(), asked("q2", "When?", [("1911", 24), ("in 1911", 21)]), mark="\ufeff")
    content = open_data(path, recipe.Data())
    assert content.kind == "questions"
    assert content.reason == "2 questions about 1 paragraphs"
    assert content.examples.frame.row(1, named=True) == {
        "id": "q2", "title": "Zoë", "question": "When?", "context": CONTEXT, "answers": ["1911", "in 1911"], "starts": [24, 21]
    }  # fmt: skip
    assert infer(content, recipe.Data()).task == "question-answering"


def test_some_questions_have_no_answer(tmp_path: Path) -> None:
    plausible = asked("q2", "Who?", (), is_impossible=True, plausible_answers=[{"text": "Zoë", "answer_start": 0}])
    content = open_data(written(tmp_path / "a.json", asked(), plausible), recipe.Data())
    assert content.examples.frame["answers"].to_list() == [["Oslo"], []]
    assert content.reason.endswith("1 of them without an answer")


def test_new_questions_need_no_answers(tmp_path: Path) -> None:
    content = open_data(written(tmp_path / "a.json", asked(answers=None)), recipe.Data())
    assert content.examples.frame.columns == ["id", "title", "question", "context"]


def test_files_are_parts_by_their_names(tmp_path: Path) -> None:
    written(tmp_path / "train-v1.1.json", asked("a"))
    written(tmp_path / "dev-v1.1.json", asked("b"))
    assert {part: examples.frame["id"].to_list() for part, examples in open_data(tmp_path, recipe.Data()).parts.items()} == {
        "train": ["a"], "validation": ["b"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (asked(answers=[("Oslo", 13)]), r"question 'q1': the answer 'Oslo' is not at offset 13 .* it stands at offset 14"),
        (asked(answers=[("Bergen", 14)]), r"the answer 'Bergen' is not at offset 14 .* the paragraph has no such text"),
        (asked(answers=[("Oslo", -1)]), r"not at offset -1"),
        (asked(answers=[("Oslo", 4_000)]), r"not at offset 4000"),
        (asked(answers=[(" ", 3)]), r"the answer at offset 3 is empty"),
        (asked(question=" \n"), r"question 'q1': the question is empty"),
    ],
)
def test_wrong_questions_are_named_by_file_id_and_offset(tmp_path: Path, question: dict[str, Any], said: str) -> None:
    path = written(tmp_path / "a.json", question, asked("q2"))
    with pytest.raises(DataError, match=f"(?s)a.json, .*{said}") if "question 'q1'" not in said else pytest.raises(DataError, match=f"(?s)a.json, {said}"):
        _opened(path)
    content = open_data(path, recipe.Data(on_error="skip"))
    assert content.examples.frame["id"].to_list() == ["q2"]
    assert content.problems[0].level == "warning"


def _opened(path: Path) -> None:
    """What stops a training: the reader's errors."""
    errors = [problem for problem in open_data(path, recipe.Data()).problems if problem.level == "error"]
    if errors:
        raise DataError(errors)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"data": [{"title": "x", "paragraphs": [{"qas": []}', "this is not JSON"),
        ('{"data": [{"paragraphs": [{"qas": [{"id": 1}]}]}]}', "not the form of SQuAD.*'question'|not the form of SQuAD.*KeyError"),
        ('{"data": [{"paragraphs": [{"context": "a", "qas": []}]}]}', "no question in this file"),
        (
            '{"data": [{"paragraphs": [{"context": "a", "qas": [{"id": 1, "question": "b", "answers": [{"text": "a", "answer_start": "0"}]}]}]}]}',
            "answer_start is '0'",
        ),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=f"(?s)a.json.*({said})"):
        open_data(path, recipe.Data())
