"""Text for NumPy alone: tokens as the run makes them, a language model step by step, and sentences with their lengths."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.test_numpy import alone
from sonde import fit
from sonde.data.prepare.text import Form, TextPreparation
from sonde.data.prepare.tokenizers import Tokenizer, characters, subwords, tokens, words
from sonde.data.prepare.tokenizers.classes import character_classes
from sonde.data.readers.text_files import TAGGED
from sonde.errors import RunError
from sonde.export import numpy as numpy_export
from sonde.export.numpy_runtime import tagged
from sonde.export.numpy_runtime.blanks import BlankFiller
from sonde.export.numpy_runtime.language_model import LanguageModel
from sonde.export.numpy_runtime.model import Model, load
from sonde.export.numpy_runtime.problem import PredictError
from sonde.export.numpy_runtime.text import formed, tokenizer_of
from sonde.export.numpy_runtime.translator import Translator
from sonde.export.numpy_runtime.word_vectors import WordVectors
from sonde.nn.sequence import language_model
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.word_vectors import word_vectors
from sonde.writing import Manner, continued, filled, whole

LINES = (
    "the time machine stood still",
    "it is a way of moving, in time",
    "the traveller came back; nobody saw",
    "time is only a kind of space!",
)
MARKS = "we'll, they've; 1895 ½² 時間 Äß é — «time»\u2003\u00a0  \n\t don't <eos> ##s"
TOKENIZERS: dict[str, Tokenizer] = {
    "characters": characters.fit(LINES),
    "words": words.fit(LINES, floor=1),
    "words of sentences": words.fit(LINES, floor=1, sentences=True),
    "bpe": subwords.fit_bpe((*LINES, MARKS), floor=1, most=330),
    "bpe of sentences": subwords.fit_bpe((*LINES, MARKS), floor=1, most=330, sentences=True),
    "wordpiece": subwords.fit_wordpiece((*LINES, MARKS), floor=1, most=80),
}


def saved(preparation: TextPreparation) -> dict[str, Any]:
    """The preparation as an export holds it."""
    table = json.loads(json.dumps(preparation.to_json()))
    table["tokenizer"] |= character_classes(table["tokenizer"]["name"])
    return table


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("form", ["raw", "lower", "letters"])
@settings(max_examples=25, deadline=None)
@given(
    text=st.one_of(st.text(), st.text("the time\n\t.!Äß'lvs19½時<> #\u2003\x1f\u180e"), st.sampled_from((*LINES, MARKS, "a" * 101 + " b")))
)
def test_tokens_are_those_of_the_run(name: str, form: Form, text: str) -> None:
    preparation = TextPreparation("text", TOKENIZERS[name], form, window=8, length=8)
    ours, _ = preparation.tokens([text])
    theirs = tokenizer_of(saved(preparation))
    assert theirs.encode(formed(text, form)) == ours.tolist()
    numbers = [3, 2, 1, 0, *ours.tolist(), 1]
    assert theirs.decode(numbers) == preparation.tokenizer.decode(numbers)


@pytest.mark.parametrize("name", ["bpe", "wordpiece"])
def test_every_character_is_cut_as_the_library_cuts_it(name: str) -> None:
    preparation = TextPreparation("text", TOKENIZERS[name], "raw", window=8, length=8)
    theirs = tokenizer_of(saved(preparation))
    for start in range(0, 0x110000, 0x10):
        if start % 0x1000 < 0x100 and not 0xD800 <= start < 0xE000:  # a sixteenth of all, from every part of the table
            text = " ".join(f"the{chr(point)}time{chr(point)}19{chr(point)}" for point in range(start, start + 0x10))
            assert theirs.encode(text) == preparation.tokenizer.encode([text])[0].tolist(), hex(start)


def trained(folder: Path, name: str, **changed: dict[str, object]) -> Run:
    """A language model of a small book."""
    path = folder / "book.txt"
    path.write_text("\n".join(LINES * 12) + "\n")
    recipe = Recipe().replace(
        data={"path": str(path)},
        task={"options": {"steps": 8}},
        model={"name": name, "config": {"width": 8}},
        optim={"lr": 0.02},
        training={"epochs": 1, "batch_size": 4, "compile": False},
    )
    return fit.train(recipe.replace(**changed), out=folder / name, pages=False)


WRITERS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("gru", {}, "characters"),
    ("lstm", {}, "words"),
    ("rnn", {}, "bpe"),
    ("gru", {}, "wordpiece"),
    ("markov-linear", {"window": 4}, "characters"),
    ("transformer-decoder", {"heads": 2, "length": 9, "positions": "learned", "norm": "post", "tied": True}, "words"),
    ("transformer-decoder", {"heads": 2, "length": 5, "positions": "sinusoidal"}, "bpe"),
)


@pytest.mark.parametrize(("model", "config", "tokenizer"), WRITERS)
def test_a_language_model_reads_and_writes_as_the_run_does(tmp_path: Path, model: str, config: dict[str, Any], tokenizer: str) -> None:
    width = {"embedding" if model.startswith("markov") else "width": 8}
    run = trained(tmp_path, model, data={"tokenizer": tokenizer}, model={"name": model, "config": width | config})
    done = numpy_export.export(run, tmp_path / "out")
    assert done.difference < 1e-5
    assert done.checked == 256
    exported = load(tmp_path / "out")
    assert isinstance(exported, LanguageModel)
    flat, _ = run.preparation.tokens([LINES[1]])
    given_tokens = torch.from_numpy(flat.astype(np.int64))[None]
    with torch.no_grad():
        logits, _ = language_model(run.model).advance(given_tokens, None)
    np.testing.assert_allclose(exported.read(given_tokens.numpy())[0], logits.numpy(), rtol=1e-4, atol=1e-5)
    answer = exported.predict([LINES[1]])
    perplexity = float(torch.nn.functional.cross_entropy(logits[0, :-1], given_tokens[0, 1:]).exp())
    assert answer["perplexity"] == [pytest.approx(perplexity, rel=1e-4)]
    assert answer["tokens"] == [len(flat)]
    assert exported.write(LINES[1], length=9) == whole(continued(run, LINES[1], Manner(length=9)))
    assert exported.write("the", temperature=1.0, seed=3) == exported.write("the", temperature=1.0, seed=3)


def test_the_folder_writes_alone(tmp_path: Path) -> None:
    run = trained(tmp_path, "gru")
    numpy_export.export(run, tmp_path / "out")
    written = alone(tmp_path / "out", "--text", "the ", "--length", "12", cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert len(written.stdout.rstrip("\n")) == 16
    measured = alone(tmp_path / "out", "book.txt", cwd=tmp_path)
    (row,) = csv.DictReader(io.StringIO(measured.stdout))
    assert (row["name"], row["unknown"]) == ("book.txt", "0")
    refused = alone(tmp_path / "out", "nowhere.txt", cwd=tmp_path)
    assert refused.returncode == 2
    assert "nowhere.txt: this text cannot be read" in refused.stderr
    exported = load(tmp_path / "out")
    with pytest.raises(PredictError, match=r"0: there is no text\n.*at least one character"):
        exported.predict([""])


TRANSLATORS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("seq2seq-gru", {"hidden": 12}, {}),
    ("seq2seq-lstm-attention", {"hidden": 12, "layers": 1}, {"beam": 3}),
    ("transformer", {"heads": 2, "layers": 1, "norm": "post", "tied": "all", "positions": "rotary"}, {"beam": 3, "shared": True}),
    ("transformer", {"heads": 2, "layers": 1, "tied": "none", "positions": "learned"}, {"longest": 6}),
)
FRENCH = {"he": "il", "she": "elle", "came": "est venu", "went": "allait", "home": "chez soi", "here": "ici"}


@pytest.mark.parametrize(("model", "config", "options"), TRANSLATORS)
def test_a_translator_writes_what_the_run_writes(tmp_path: Path, model: str, config: dict[str, Any], options: dict[str, Any]) -> None:
    said = [
        f"{who} {what} {where} {row}."
        for row in range(4)
        for who in ("he", "she")
        for what in ("came", "went")
        for where in ("home", "here")
    ]
    lines = [f"{text}\t{' '.join(FRENCH.get(word, word) for word in text.split())}" for text in said]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n")
    recipe = Recipe().replace(
        data={"path": str(tmp_path / "pairs.tsv")},
        task={"name": "translation", "options": options},
        model={"name": model, "config": {"width": 12} | config},
        optim={"lr": 0.02},
        training={"epochs": 4, "batch_size": 8, "compile": False},
    )
    run = fit.train(recipe, out=tmp_path / "run", pages=False)
    done = numpy_export.export(run, tmp_path / "out")
    assert done.difference < 1e-5
    exported = load(tmp_path / "out")
    assert isinstance(exported, Translator)
    ours = run.predict(str(tmp_path / "pairs.tsv"))["prediction"].to_list()
    assert any(ours)
    assert exported.predict(said)["prediction"] == ours
    (tmp_path / "new.txt").write_text("\n".join(said) + "\n")
    told = alone(tmp_path / "out", "new.txt", cwd=tmp_path)
    assert [row["prediction"] for row in csv.DictReader(io.StringIO(told.stdout))] == ours, told.stderr
    assert alone(tmp_path / "out", "--text", said[2], cwd=tmp_path).stdout == ours[2] + "\n"


@pytest.mark.parametrize("tokenizer", ["words", "bpe", "wordpiece"])
def test_sentences_and_their_lengths(tokenizer: str, tmp_path: Path) -> None:
    rows = [(line, place % 2) for place, line in enumerate(LINES * 10)]
    (tmp_path / "said.csv").write_text("said,label\n" + "".join(f'"{line}",{"no" if label else "yes"}\n' for line, label in rows))
    recipe = Recipe().replace(
        data={"path": str(tmp_path / "said.csv"), "target": ("label",), "text": "said", "tokenizer": tokenizer},
        model={"name": "gru", "config": {"width": 8, "bidirectional": True}},
        training={"epochs": 2, "batch_size": 8, "compile": False},
    )
    run = fit.train(recipe, out=tmp_path / "run", pages=False)
    assert numpy_export.export(run, tmp_path / "out").difference < 1e-5
    exported = load(tmp_path / "out")
    assert isinstance(exported, Model)
    found = exported.predict([{"said": line} for line in LINES])
    assert found["prediction"] == exported.predict(list(LINES))["prediction"]
    ours = run.predict(str(tmp_path / "said.csv"))
    np.testing.assert_allclose(found["probability:yes"], ours["probability:yes"].to_numpy()[:4], rtol=1e-5)


NAMES = ("Ann Lee saw Oslo", "the 3rd of May 2020 , said U.N.", "bob@x.org wrote #thanks to @ann")


def test_a_tagger_tells_the_same_tags(tmp_path: Path) -> None:
    lines = [[(token, "B-name" if token[0].isupper() else "O") for token in text.split()] for text in NAMES * 8]
    (tmp_path / "said.conll").write_text("\n\n".join("\n".join(f"{token}\t{tag}" for token, tag in line) for line in lines) + "\n")
    recipe = Recipe().replace(
        data={"path": str(tmp_path / "said.conll")},
        model={"name": "lstm", "config": {"width": 8, "bidirectional": True}},
        optim={"lr": 0.02},
        training={"epochs": 3, "batch_size": 8, "compile": False},
    )
    run = fit.train(recipe, out=tmp_path / "run", pages=False)
    assert numpy_export.export(run, tmp_path / "out").difference < 1e-5
    exported = load(tmp_path / "out")
    assert isinstance(exported, Model)
    (tmp_path / "new.txt").write_text("Zoe saw NASA , ok\nwalking slowly\n")
    assert exported.predict(tmp_path / "new.txt")["prediction"] == run.predict(str(tmp_path / "new.txt"))["prediction"].to_list()
    ours = run.predict(str(tmp_path / "said.conll"))["prediction"].to_list()
    assert exported.predict(str(tmp_path / "said.conll"))["prediction"] == ours
    assert exported.predict([text.split() for text in NAMES])["prediction"] == ours[:3]
    with pytest.raises(PredictError, match="sentences cannot be read from int"):
        exported.predict(3)


@settings(max_examples=100, deadline=None)
@given(token=st.one_of(st.text(min_size=1), st.text("aBs9.-'@#ingedÄ", min_size=1)))
def test_tokens_have_the_form_that_they_have_in_the_run(token: str) -> None:
    assert (tagged.PIECES, tagged.SUFFIXES) == (tokens.PIECES, TAGGED)
    assert tagged.form_of(token) == tokens.form_of(token)


@pytest.mark.parametrize(("model", "tokenizer", "form"), [("gru", "characters", "letters"), ("lstm", "words", "raw")])
def test_what_reads_in_both_directions_fills_the_same_blanks(tmp_path: Path, model: str, tokenizer: str, form: str) -> None:
    config = {"width": 8, "layers": 2, "bidirectional": True}
    run = trained(tmp_path, model, data={"tokenizer": tokenizer, "text_form": form}, model={"name": model, "config": config})
    done = numpy_export.export(run, tmp_path / "out")
    assert (done.difference < 1e-5, done.checked) == (True, 256)
    exported = load(tmp_path / "out")
    assert isinstance(exported, BlankFiller)
    text = "the time ____ is, a ___ of_moving"
    ours = filled(run, text)
    assert len(ours.probabilities) > 2
    assert exported.fill(text) == (ours.filled, pytest.approx(list(ours.probabilities), rel=1e-4))
    assert alone(tmp_path / "out", "--text", text, cwd=tmp_path).stdout == ours.filled + "\n"
    tokens = torch.from_numpy(run.preparation.tokens([LINES[1]])[0].astype(np.int64))[None]
    with torch.no_grad():
        logits = run.task.predict(run.model, (tokens,))
    perplexity = float(torch.nn.functional.cross_entropy(logits[0], tokens[0]).exp())
    assert exported.predict([LINES[1]])["perplexity"] == [pytest.approx(perplexity, rel=1e-4)]
    with pytest.raises(PredictError, match=r"'the time' has no blank\n.*I am ___"):
        exported.fill("the time")
    with pytest.raises(PredictError, match="there is no text"):
        exported.predict([""])


def test_word_vectors_have_the_same_neighbours(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("\n".join(LINES * 12) + "\n")
    recipe = Recipe().replace(
        data={"path": str(tmp_path / "book.txt"), "floor": 1},
        task={"name": "word-vectors"},
        model={"name": "skip-gram", "config": {"width": 8}},
        training={"epochs": 2, "batch_size": 16, "compile": False},
    )
    run = fit.train(recipe, out=tmp_path / "run", pages=False)
    done = numpy_export.export(run, tmp_path / "out")
    assert done.difference < 1e-5
    exported, ours = load(tmp_path / "out"), word_vectors(run)
    assert isinstance(exported, WordVectors)
    np.testing.assert_array_equal(exported["time"], ours["time"].numpy())
    for expression in ("time", "time - machine + space"):
        words, cosines = zip(*ours.neighbours(expression, 5), strict=True)
        theirs, apart = zip(*exported.neighbours(expression, 5), strict=True)
        assert theirs == words
        np.testing.assert_allclose(apart, cosines, atol=1e-6)
    told = list(csv.DictReader(io.StringIO(alone(tmp_path / "out", "--text", "Time", cwd=tmp_path).stdout)))
    assert [row["word"] for row in told] == [word for word, _ in ours.neighbours("time")]
    with pytest.raises(PredictError, match=r"there is no vector for 'zebra'.*\n.*the most frequent words are"):
        exported.neighbours("zebra")
    with pytest.raises(PredictError, match="'time space' is neither a word nor a sum of words"):
        exported.neighbours("time space")


def test_folds_of_what_writes_are_refused(tmp_path: Path) -> None:
    both = trained(tmp_path, "gru")
    vars(both)["folds"] = [both]
    with pytest.raises(
        RunError, match=r"the folds of a model that writes, or of word vectors, have no mean\n.*sonde export \S+gru --to numpy"
    ):
        numpy_export.export(both, tmp_path / "out")
    assert not (tmp_path / "out").exists()
