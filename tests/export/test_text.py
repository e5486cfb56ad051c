"""Text for NumPy alone: tokens as the run makes them, a language model step by step, and sentences with their lengths."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.test_numpy import alone
from sonde import fit
from sonde.data.prepare.text import Form, TextPreparation
from sonde.data.prepare.tokenizers import Tokenizer, characters, words
from sonde.errors import RunError
from sonde.export import numpy as numpy_export
from sonde.export.numpy_runtime.language_model import LanguageModel
from sonde.export.numpy_runtime.model import Model, load
from sonde.export.numpy_runtime.problem import PredictError
from sonde.export.numpy_runtime.text import tokens_of
from sonde.nn.sequence import language_model
from sonde.recipe import Recipe
from sonde.run import Run

LINES = ("the time machine stood still", "it is a way of moving, in time", "the traveller came back; nobody saw", "time is only a kind of space!")
TOKENIZERS: dict[str, Tokenizer] = {
    "characters": characters.fit(LINES),
    "words": words.fit(LINES, floor=1),
    "words of sentences": words.fit(LINES, floor=1, sentences=True),
}


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("form", ["raw", "lower", "letters"])
@settings(max_examples=40, deadline=None)
@given(text=st.one_of(st.text(), st.text("the time\n\t.!Äß  "), st.sampled_from(LINES)))
def test_tokens_are_those_of_the_run(name: str, form: Form, text: str) -> None:
    preparation = TextPreparation("text", TOKENIZERS[name], form, window=8, length=8)
    ours, _ = preparation.tokens([text])
    assert tokens_of(text, preparation.to_json()).tolist() == ours.tolist()


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


@pytest.mark.parametrize(("model", "tokenizer"), [("gru", "characters"), ("lstm", "words")])
def test_a_language_model_reads_and_writes_as_the_run_does(tmp_path: Path, model: str, tokenizer: str) -> None:
    run = trained(tmp_path, model, data={"tokenizer": tokenizer})
    done = numpy_export.export(run, tmp_path / "out")
    assert done.difference < 1e-5
    assert done.checked == 256
    exported = load(tmp_path / "out")
    assert isinstance(exported, LanguageModel)
    flat, _ = run.preparation.tokens([LINES[1]])
    tokens = torch.from_numpy(flat.astype(np.int64))[None]
    with torch.no_grad():
        logits, _ = language_model(run.model).advance(tokens, None)
    np.testing.assert_allclose(exported.read(tokens.numpy())[0], logits.numpy(), rtol=1e-4, atol=1e-5)
    answer = exported.predict([LINES[1]])
    perplexity = float(torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:]).exp())
    assert answer["perplexity"] == [pytest.approx(perplexity, rel=1e-4)]
    assert answer["tokens"] == [len(flat)]
    logits[:, :, :4] = -torch.inf
    following = run.preparation.tokenizer.decode([int(logits[0, -1].argmax())])
    assert exported.write(LINES[1], length=3).startswith(following)
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


def test_sentences_and_their_lengths(tmp_path: Path) -> None:
    rows = [(line, place % 2) for place, line in enumerate(LINES * 10)]
    (tmp_path / "said.csv").write_text("said,label\n" + "".join(f'"{line}",{"no" if label else "yes"}\n' for line, label in rows))
    recipe = Recipe().replace(
        data={"path": str(tmp_path / "said.csv"), "target": ("label",), "text": "said"},
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


def test_what_has_no_state_of_one_size_or_another_tokeniser_is_refused(tmp_path: Path) -> None:
    both = trained(tmp_path, "gru", model={"name": "gru", "config": {"width": 8, "bidirectional": True}})
    with pytest.raises(RunError, match=r"no state of one size.*\n.*rnn, gru or lstm in one direction"):
        numpy_export.export(both, tmp_path / "out")
    pieces = trained(tmp_path, "rnn", data={"tokenizer": "bpe", "vocabulary": 300})
    with pytest.raises(RunError, match=r"tokeniser bpe cannot be exported; known are characters, words\n.*--tokenizer characters"):
        numpy_export.export(pieces, tmp_path / "out")
    assert not (tmp_path / "out").exists()
