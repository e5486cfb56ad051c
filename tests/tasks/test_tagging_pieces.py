"""Tags of words that BERT reads in pieces: one a word, learnt by heart through the ordinary command, nothing said of words past the cut."""

from __future__ import annotations

from pathlib import Path

import torch

from sonde import fit
from sonde.recipe import Recipe

SENTENCES = [("Anna lives in Paris", "B-person O O B-place"), ("the dog of Anna", "O O O B-person"), ("Paris is old", "B-place O O")]


def test_words_in_pieces(tmp_path: Path) -> None:
    lines = ["\n".join(f"{word}\t{tag}" for word, tag in zip(text.split(), tags.split(), strict=True)) for text, tags in SENTENCES * 8]
    (tmp_path / "names.conll").write_text("\n\n".join(lines) + "\n")
    recipe = Recipe().replace(
        data={"path": str(tmp_path / "names.conll"), "vocabulary": 30, "text_form": "raw", "validation": 0.2, "test": 0.2},
        model={"name": "bert-tiny", "config": {"width": 32, "layers": 1, "dropout": 0.0, "attention_dropout": 0.0}},
        optim={"lr": 3e-3, "name": "adamw"},
        training={"epochs": 30, "batch_size": 8, "compile": False},
    )
    run = fit.train(recipe, out=tmp_path / "run")
    assert run.preparation.words == 4
    assert len(run.preparation.pieces.encode(["lives"])[0]) > 1  # there is something to put together
    assert run.metrics["span-f1"] == 1
    assert run.predict(str(tmp_path / "names.conll"))["prediction"][:3].to_list() == [tags for _, tags in SENTENCES]


def test_words_past_the_cut(tmp_path: Path) -> None:
    """They have no probability, so that they count as not found, and the loss stays a number."""
    test_words_in_pieces(tmp_path)
    long = "\n".join(["dog\tO"] * 12 + ["Anna\tB-person"])
    (tmp_path / "long.conll").write_text(long + "\n")
    from sonde.run import Run

    found = Run.load(tmp_path / "run").evaluate(str(tmp_path / "long.conll"))
    assert torch.tensor(found["metrics"]["loss"]).isfinite()
