"""Tags of words that BERT reads in pieces: one a word, learnt by heart through the ordinary command, nothing said of words past the cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sonde import fit
from sonde.cli.main import main
from sonde.recipe import Recipe
from sonde.run import Run

SENTENCES = [("Anna lives in Paris", "B-person O O B-place"), ("the dog of Anna", "O O O B-person"), ("Paris is old", "B-place O O")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("names")
    lines = ["\n".join(f"{word}\t{tag}" for word, tag in zip(text.split(), tags.split(), strict=True)) for text, tags in SENTENCES * 8]
    (folder / "names.conll").write_text("\n\n".join(lines) + "\n")
    recipe = Recipe().replace(
        data={"path": str(folder / "names.conll"), "vocabulary": 30, "text_form": "raw", "validation": 0.2, "test": 0.2},
        model={"name": "bert-tiny", "config": {"width": 32, "layers": 1, "dropout": 0.0, "attention_dropout": 0.0}},
        optim={"lr": 3e-3, "name": "adamw"},
        training={"epochs": 30, "batch_size": 8, "compile": False},
    )
    return fit.train(recipe, out=folder / "run")


def test_words_in_pieces(run: Run) -> None:
    assert run.preparation.words == 4
    assert len(run.preparation.pieces.encode(["lives"])[0]) > 1  # there is something to put together
    assert run.metrics["span-f1"] == 1
    assert run.predict(str(run.path.parent / "names.conll"))["prediction"][:3].to_list() == [tags for _, tags in SENTENCES]


def test_words_past_the_cut(run: Run, tmp_path: Path) -> None:
    """They have no probability, so that they count as not found, and the loss stays a number."""
    (tmp_path / "long.conll").write_text("\n".join(["dog\tO"] * 12 + ["Anna\tB-person"]) + "\n")
    found = run.evaluate(str(tmp_path / "long.conll"))
    assert torch.tensor(found["metrics"]["loss"]).isfinite()


def test_a_text_is_cut_into_words(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["predict", str(run.path), "--text", "Anna lives in Paris.", "--text", "the dog"]
    assert main(given) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert rows[0] == ["word", "tag"]
    assert rows[-7:] == [["Anna", "B-person"], ["lives", "O"], ["in", "O"], ["Paris", "B-place"], ["."], ["the", "O"], ["dog", "O"]]
    assert main([*given, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["texts"]
    assert first == {"text": "Anna lives in Paris.", "words": ["Anna", "lives", "in", "Paris", "."], "tags": ["B-person", "O", "O", "B-place"]}
    assert second["tags"] == ["O", "O"]
    assert main(["predict", str(run.path), "--text", "  "]) == 2
    assert "there is no word in '  '" in capsys.readouterr().err
