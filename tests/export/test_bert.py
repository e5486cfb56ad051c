"""The BERT family for NumPy alone: the same pieces of every text, and the same answers about texts, pairs, words and questions."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.test_numpy import alone
from sonde import fit
from sonde.data.prepare import bert as run_rows
from sonde.data.prepare import questions as run_questions
from sonde.data.prepare.tokenizers import bert as run_pieces
from sonde.data.prepare.tokenizers.classes import character_classes
from sonde.data.prepare.tokenizers.normal_form import normal_form
from sonde.data.readers.text_files import PLAIN
from sonde.export import hub
from sonde.export import numpy as numpy_export
from sonde.export.check import examples_of
from sonde.export.numpy_runtime import bert, questions
from sonde.export.numpy_runtime.bert_pieces import BertPieces
from sonde.export.numpy_runtime.columns import read_table
from sonde.export.numpy_runtime.masks import MaskFiller
from sonde.export.numpy_runtime.model import Model, load
from sonde.export.numpy_runtime.problem import PredictError
from sonde.export.numpy_runtime.questions import Answerer
from sonde.export.questions import drawn
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.tasks.question_answering import span_logits
from sonde.writing import unmasked

TEXTS = ("The café's owner, U.N.-born", "Ünïted straße 東京都 2 [SEP] [MASK]", "naïve résumé; 한글 ΣΊΣΥΦΟΣ", "a\u200db\x00c\ufffd \u3000d")
MARKS = "\u0301\u0323\u0345\u0f73\u0344\u302e\u302f\u1d165\U0001d165\U0001d16d\u08d4\u0600\u1ab0"
LOWER, CASED = "uncased", "cased"


@cache
def both(kind: str) -> tuple[run_pieces.BertPieces, BertPieces]:
    """The run's pieces and the export's, from a vocabulary with a piece for each of some marks too."""
    lower = kind == LOWER
    fitted = run_pieces.fit([*TEXTS, *map(str, range(20))], floor=1, most=300, lower=lower)
    more = [piece for mark in "\u302e\U0001d165\u08d4" for piece in (mark, f"##{mark}")]
    ours = run_pieces.BertPieces((*fitted.vocabulary, *more), lower)
    return ours, BertPieces(json.loads(json.dumps(ours.to_json() | character_classes("bert") | {"form": normal_form(lower=lower)})))


def same(kind: str, text: str) -> bool:
    ours, theirs = both(kind)
    ((numbers, places),) = ours.located([text])
    found, spans = theirs.located(text)
    codes, _ = theirs.form(text)
    cleaned = text.encode("utf-8", "replace").decode()
    in_form = codes.tobytes().decode("utf-32-le") == ours.library.normalizer.normalize_str(cleaned)  # type: ignore[union-attr]
    return in_form and found == theirs.encode(text) == numbers.tolist() and np.array_equal(spans, places)


@pytest.mark.parametrize("kind", [LOWER, CASED])
@settings(max_examples=60, deadline=None)
@given(text=st.one_of(st.text(), st.text(f"aàΣİ東 글1.[\t\x07{MARKS}", max_size=12), st.sampled_from((*TEXTS, "a" * 100 + " " + "a" * 101, "\ud800a"))))
def test_pieces_and_their_places_are_those_of_the_run(kind: str, text: str) -> None:
    assert same(kind, text)


@pytest.mark.parametrize("kind", [LOWER, CASED])
def test_every_character_is_read_as_the_library_reads_it(kind: str) -> None:
    for start in range(0, 0x110000, 0x20):
        if start % 0x1000 < 0x40 and not 0xD800 <= start < 0xE000:  # of all a sixty-fourth, from every part of the table
            assert same(kind, " ".join(f"the{chr(point)}a{chr(point)}1{chr(point)}" for point in range(start, start + 0x20))), hex(start)


@pytest.mark.parametrize("kind", [LOWER, CASED])
def test_every_character_has_the_librarys_form(kind: str) -> None:
    ours, theirs = both(kind)
    for start in range(0, 0x110000, 0x800):
        if not 0xD800 <= start < 0xE000:
            text = "a".join(map(chr, range(start, start + 0x800)))
            codes, _ = theirs.form(text)
            assert codes.tobytes().decode("utf-32-le") == ours.library.normalizer.normalize_str(text), hex(start)  # type: ignore[union-attr]


@given(first=st.integers(0, 40), second=st.integers(0, 40), room=st.integers(1, 50))
def test_pairs_are_cut_alike(first: int, second: int, room: int) -> None:
    ours = run_rows.longest_first(np.array([first]), np.array([second]), room)
    assert bert.longest_first(first, second, room) == [int(kept[0]) for kept in ours]
    assert (bert.PLAIN, questions.QUESTION) == (PLAIN, run_questions.QUESTION)


SMALL = {"width": 8, "layers": 1, "heads": 2, "hidden": 16, "length": 40}
WORDS = ("café", "naïve", "Tokyo", "東京", "good-bye", "U.N.", "fine", "dull")


def trained(folder: Path, data: dict[str, Any], **changed: Any) -> Run:
    recipe = Recipe().replace(
        data={"length": 24, **data},
        model={"name": "bert-tiny", "config": SMALL},
        optim={"lr": 0.02},
        training={"epochs": 1, "batch_size": 16, "compile": False},
    )
    return fit.train(recipe.replace(**changed), out=folder / "run", pages=False)


def exported(run: Run, folder: Path, examples: str = "examples of the training part") -> Any:
    done = numpy_export.export(run, folder / "out")
    assert done.difference < 1e-5
    assert done.examples == examples
    return load(folder / "out")


def rows_of(folder: Path, *words: str) -> list[dict[str, str]]:
    done = alone(folder / "out", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def said(row: int, words: int = 3) -> str:
    return " ".join(WORDS[(row * 5 + place * (1 + row % 3)) % len(WORDS)] for place in range(words + row % 4))


def test_texts_are_classified_alike(tmp_path: Path) -> None:
    table = pl.DataFrame({"said": [said(row) for row in range(48)], "mood": ["good" if row % 2 else "bad" for row in range(48)]})
    table.write_csv(tmp_path / "said.csv")
    run = trained(tmp_path, {"path": str(tmp_path / "said.csv"), "text": "said", "target": ("mood",)})
    model = exported(run, tmp_path)
    assert isinstance(model, Model)
    ours = run.predict(str(tmp_path / "said.csv"))
    theirs = rows_of(tmp_path, "said.csv")
    assert [(row["name"], row["prediction"]) for row in theirs] == ours.select("name", "prediction").rows()
    np.testing.assert_allclose([float(row["probability:good"]) for row in theirs], ours["probability:good"], rtol=1e-4)
    texts = table["said"].to_list()
    (tmp_path / "lines.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "new.tsv").write_text("id\tsaid\n" + "".join(f"r{row}\t{text}\n" for row, text in enumerate(texts)), encoding="utf-8")
    rows = [{"said": text} for text in texts], [{"text": text, "n": 1} for text in texts]
    for source in (texts, {"said": texts}, *rows, tmp_path / "lines.txt", tmp_path / "new.tsv"):
        np.testing.assert_allclose(model.predict(source)["probability:good"], ours["probability:good"], rtol=1e-4)
    for source, message in (
        ([{"sayd": "a", "n": 1}], r"the rows: there is no column 'said', which the model learned from\n.*did you mean 'sayd'"),
        ([{"said": "a"}, {"said": " "}], r"the rows, line 1, column 'said': there is no text\n.*leave such rows out"),
        (["a", "\u200b\x07"], "row 1: there is no text"),
        (tmp_path / "nowhere.csv", r"nowhere\.csv: the file cannot be read"),
        (tmp_path / "none.txt", r"none\.txt: this text cannot be read"),
        (3, "a table cannot be read from int"),
    ):
        with pytest.raises(PredictError, match=message):
            model.predict(source)


def test_pairs_are_related_alike(tmp_path: Path) -> None:
    rows = [(f"p{row}", said(row, 8), said(row + row % 2, 2 + 6 * (row % 3 == 0)), 1.0 + row % 4) for row in range(40)]
    pl.DataFrame(rows, schema=["pair", "one", "other", "near"], orient="row").write_csv(tmp_path / "near.csv")
    data = {"path": str(tmp_path / "near.csv"), "text": "one,other", "target": ("near",), "id": "pair", "length": 20, "text_form": "raw"}
    run = trained(tmp_path, data, task={"name": "regression"})
    assert not run.preparation.pieces.lower
    model = exported(run, tmp_path)
    assert isinstance(model, Model)
    ours = run.predict(str(tmp_path / "near.csv"))
    theirs = rows_of(tmp_path, "near.csv")
    assert [row["name"] for row in theirs] == ours["name"].to_list() == [f"p{row}" for row in range(40)]
    np.testing.assert_allclose([float(row["prediction"]) for row in theirs], ours["prediction"], rtol=1e-4)
    pairs = [(one, other) for _, one, other, _ in rows]
    np.testing.assert_allclose(model.predict(pairs)["prediction"], ours["prediction"], rtol=1e-4)
    with pytest.raises(PredictError, match="there is no column 'other', which the model learned from"):
        model.predict([{"one": "a", "pair": "b"}])
    assert len(model.outputs(*(each[:0] for each in model.encode(pairs)[1]))) == 0


def test_words_are_tagged_alike(tmp_path: Path) -> None:
    lines = [[(word, "B-name" if word[0].isupper() else "O") for word in said(row).split()] for row in range(40)]
    (tmp_path / "said.conll").write_text("\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in line) for line in lines) + "\n", encoding="utf-8")
    run = trained(tmp_path, {"path": str(tmp_path / "said.conll"), "length": 14})
    model = exported(run, tmp_path)
    ours = run.predict(str(tmp_path / "said.conll"))["prediction"].to_list()
    assert [row["prediction"] for row in rows_of(tmp_path, "said.conll")] == ours
    assert len({len(tags.split()) for tags in ours}) > 2
    assert model.predict([[word for word, _ in line] for line in lines])["prediction"] == ours
    texts = ["Zoe saw U.N., good-bye", "東京 café"]
    assert model.predict(texts)["prediction"] == run.predict(texts)["prediction"].to_list()
    control = [["a", "\x07", "Tokyo", *["good-bye"] * 9]]
    frame = pl.DataFrame({"tokens": pl.Series(control, dtype=pl.List(pl.String))})
    wanted = run_rows.first_pieces(run.preparation.pieces, frame["tokens"], length=14, most=run.preparation.words)
    np.testing.assert_array_equal(model.encode(control)[1][2], wanted)
    with pytest.raises(PredictError, match=r"row 0: there is no column 'tokens', which the model learned from\n.*the columns here are words"):
        model.predict([{"words": ["a"]}])
    with pytest.raises(PredictError, match="row 1: there is no text"):
        model.predict([["a"], ["\x07"]])


PLACES = ("Oslo", "Bodø", "Ålesund", "東京", "Moss", "Hamar")
BEFORE = " ".join(["The wind  comes from\u00a0the séa."] * 5)


def article(place: str) -> dict[str, Any]:
    """A paragraph of several windows, with a question that it answers and one that it does not."""
    context = f"{BEFORE} The harbour of {place} is old."
    known = {"id": f"{place}-0", "question": "Whose harbour is old?", "answers": [{"text": place, "answer_start": context.index(place)}]}
    none = {"id": f"{place}-1", "question": "Who is king?", "answers": [], "is_impossible": True}
    return {"title": place, "paragraphs": [{"context": context, "qas": [known, none]}]}


def on_the_hub(run: Run, folder: Path, name: str) -> Any:
    """What the Transformers library makes of a row of seven pieces, by the class `name`, and the run's own logits."""
    library = pytest.importorskip("transformers")
    hub.export(run, folder / "hub")
    model = getattr(library, name).from_pretrained(str(folder / "hub")).eval()
    pieces = run.preparation.pieces
    tokens = torch.tensor([[pieces.begin, 6, 7, pieces.separator, 8, 9, pieces.separator]])
    segments = torch.tensor([[0, 0, 0, 0, 1, 1, 1]])
    with torch.no_grad():
        return model(input_ids=tokens, token_type_ids=segments), run.model.network(tokens, torch.tensor([7]))  # type: ignore[union-attr, operator]


def test_questions_are_answered_alike(tmp_path: Path) -> None:
    (tmp_path / "asked.json").write_text(json.dumps({"data": [article(place) for place in PLACES]}), encoding="utf-8")
    chosen = {"path": str(tmp_path / "asked.json"), "length": 30, "validation": 0.2, "test": 0.2}
    run = trained(tmp_path, chosen, task={"options": {"stride": 7, "answer": 4}}, training={"epochs": 2, "batch_size": 8, "compile": False})
    model = exported(run, tmp_path, "questions of the training part")
    assert isinstance(model, Answerer)
    ours = run.predict(str(tmp_path / "asked.json"))
    theirs = rows_of(tmp_path, "asked.json")
    assert [tuple(row.values())[:3] for row in theirs] == ours.select("name", "question", "prediction").rows()
    assert [row["start"] for row in theirs] == ["" if start is None else str(start) for start in ours["start"]]
    np.testing.assert_allclose([float(row["score"]) for row in theirs], ours["score"], rtol=1e-4)
    theirs, own = on_the_hub(run, tmp_path, "BertForQuestionAnswering")
    torch.testing.assert_close(torch.stack([theirs.start_logits, theirs.end_logits], -1), own, rtol=0, atol=1e-5)
    model.preprocessing["answer"]["none"] = False
    vars(run.target)["values"]["none"] = False
    answered = run.predict(str(tmp_path / "asked.json"))
    parts = [part for place in PLACES for part in article(place)["paragraphs"]]
    asked = [(each["id"], each["question"], part["context"]) for part in parts for each in part["qas"]]
    found = model.predict([dict(zip(("id", "question", "context"), row, strict=True)) for row in asked])
    assert found["prediction"] == answered["prediction"].to_list()
    answers = zip(asked, found["start"], found["prediction"], strict=True)
    assert all(context[start : start + len(text)] == text != "" for (_, _, context), start, text in answers)
    pl.DataFrame([row[1:] for row in asked], schema=["question", "context"], orient="row").write_csv(tmp_path / "asked.csv")
    by_table = model.predict(tmp_path / "asked.csv")
    assert (by_table["name"], by_table["prediction"]) == ([str(row) for row in range(12)], found["prediction"])
    for text, message in (
        ('{"data": [{"paragraphs": [{"qas": []}]', "line 1: this is not JSON"),
        ('{"data": [{"paragraphs": [{"qas": [{"id": 1}]}]}]}', r"this is not the form of SQuAD: .*\(KeyError: 'question'\)\n.*train-v1.1"),
        ('{"data": [{"paragraphs": []}]}', "there is no question in this file"),
        ('[{"question": "a"}]', "there is no column 'context'"),
        ('[{"question": " ", "context": "b", "id": "q"}]', "question 'q': the question is empty"),
        ('[{"question": "a", "context": "\\u0007"}]', "question '0': the paragraph has no word"),
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(PredictError, match=message):
            model.predict(str(tmp_path / "bad.json"))


def test_drawn_rows_serve_where_the_data_have_gone(tmp_path: Path) -> None:
    (tmp_path / "asked.json").write_text(json.dumps({"data": [article(place) for place in PLACES]}), encoding="utf-8")
    run = trained(tmp_path, {"path": str(tmp_path / "asked.json"), "length": 30})
    (tmp_path / "asked.json").unlink()
    inputs, examples, told = examples_of(Run.load(run.path))
    assert (examples, told) == (None, "drawn inputs, as the run's data are not at hand")
    assert span_logits(run.model, inputs, separator=run.preparation.pieces.separator).isfinite().sum(1).min() > 1
    tokens, lengths, words = drawn({"vocabulary": 20, "length": 9, "separator": 3, "words": 6}, 50)
    assert ((tokens == 3).sum(1) == 2).all()
    assert (words.max(1)[0] == (lengths - 2).clamp(max=6)).all()


def test_a_pre_trained_one_fills_the_same_masks(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("".join(f"{said(row, 6)}.\n" for row in range(80)), encoding="utf-8")
    run = trained(tmp_path, {"path": str(tmp_path / "book.txt")}, task={"name": "masked-language-modelling", "options": {"document": 10}})
    assert numpy_export.export(run, tmp_path / "out").difference < 1e-5
    exported, text = load(tmp_path / "out"), f"{said(3, 2)} [MASK], and [MASK]."
    assert isinstance(exported, MaskFiller)
    ours = unmasked(run, text)
    assert exported.filled(text) == ours.filled
    assert exported.fill(text)[1] == pytest.approx(list(ours.probabilities), rel=1e-4)
    assert exported.predict([text])["prediction"] == [ours.filled]
    assert alone(tmp_path / "out", "--text", text, cwd=tmp_path).stdout == ours.filled + "\n"
    theirs, own = on_the_hub(run, tmp_path, "BertForPreTraining")
    torch.testing.assert_close(theirs.prediction_logits, own, rtol=0, atol=1e-5)
    for wrong, what in (("nothing", r"'nothing' has no \[MASK\]"), ("[MASK] " * 200, "the text has 202 pieces")):
        with pytest.raises(PredictError, match=what):
            exported.fill(wrong)


def test_missing_values_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,said\nq1,good\nq2,\n")
    preprocessing = {"text": "said", "id": "id", "preparation": {"columns": ["text"]}}
    with pytest.raises(PredictError, match=r"a\.csv, line 3, column 'said': there is no text"):
        bert._texts(tmp_path / "a.csv", preprocessing)
    assert read_table(tmp_path / "a.csv", needed=["said"]).columns["said"].values == ["good", None]
