"""Questions from a file to answers: held out by article, predicted letter for letter, measured again the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sonde import fit
from sonde.errors import RecipeError
from sonde.recipe import Recipe
from sonde.run import Run

PLACES = ["Oslo", "Bergen", "Bodø", "Molde", "Narvik", "Tromsø", "Vardø", "Florø", "Moss", "Hamar"]
COLOURS = ["red", "blue", "green", "white", "grey", "black", "brown", "pink", "gold", "dark red"]
BEFORE = " ".join(["The wind comes from the sea."] * 6)


def article(place: str, colour: str, *, none: bool) -> dict[str, Any]:
    """A paragraph of two windows, of which the second holds the answers."""
    context = f"{BEFORE} The harbour of {place} is old. Its boats are {colour}."
    asked = [("Which colour have the boats?", colour), ("Whose harbour is old?", place)]
    questions: list[dict[str, Any]] = [
        {"id": f"{place}-{i}", "question": question, "answers": [{"text": answer, "answer_start": context.index(answer)}]}
        for i, (question, answer) in enumerate(asked)
    ]
    if none:
        questions.append({"id": f"{place}-none", "question": "Who is king?", "answers": [], "is_impossible": True})
    return {"title": place, "paragraphs": [{"context": context, "qas": questions}]}


def recipe(folder: Path, *, none: bool, **training: Any) -> Recipe:
    path = folder / "questions.json"
    path.write_text(json.dumps({"data": [article(*pair, none=none) for pair in zip(PLACES, COLOURS, strict=True)]}), encoding="utf-8")
    return Recipe().replace(
        data={"path": str(path), "length": 40, "validation": 0.1, "test": 0.1},
        task={"options": {"stride": 12, "answer": 4}},
        model={"name": "bert-tiny", "config": {"width": 32, "layers": 2, "heads": 2, "dropout": 0.0, "attention_dropout": 0.0}},
        optim={"name": "adamw", "lr": 1e-3},
        training={"epochs": 1, "batch_size": 8, "compile": False, "seed": 1, **training},
    )


@pytest.mark.parametrize("none", [False, True])
def test_answers_stand_in_their_paragraphs(tmp_path: Path, none: bool) -> None:
    run = fit.train(recipe(tmp_path, none=none), out=tmp_path / "run", pages=False)
    found = run.metrics_file
    assert set(found["test"]) == {"piece-f1", "f1", "exact-match", "loss"}
    titles = {part: set(run.part(part)[2].frame["title"][list(rows_of(run, part))]) for part in ("train", "validation", "test")}
    assert not titles["train"] & titles["test"]
    assert not titles["train"] & titles["validation"]
    again = Run.load(run.path)
    assert again.evaluate(part="test")["metrics"] == pytest.approx(found["test"])
    source = json.loads((tmp_path / "questions.json").read_text(encoding="utf-8"))
    contexts = {asked["id"]: paragraph["context"] for each in source["data"] for paragraph in each["paragraphs"] for asked in paragraph["qas"]}
    rows = again.predict(tmp_path / "questions.json")
    assert rows.columns == ["name", "question", "prediction", "start", "score"]
    for name, _, prediction, start, score in rows.rows():
        assert 0 <= score <= 1
        if start is None:
            assert none
            assert prediction == ""
        else:
            assert contexts[name][start : start + len(prediction)] == prediction


def rows_of(run: Run, part: str) -> set[int]:
    """The questions of a part."""
    columns, index, _ = run.part(part)
    assert columns.windows is not None
    return {int(columns.windows.question[row]) for row in index}


def test_folds_are_refused(tmp_path: Path) -> None:
    chosen = recipe(tmp_path, none=False).replace(data={"folds": 3, "fold": 1})
    with pytest.raises(RecipeError, match="question-answering is not measured by folds"):
        fit.train(chosen, out=tmp_path / "run", pages=False)
