"""Folders of the BERT family as beginnings: what does not fit, what is cut, what no text is, and what stays frozen."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import torch

from finetune.making import notes
from finetune.test_hub import library
from sonde import embeddings, fit
from sonde.cli.main import main
from sonde.errors import DataError, RecipeError
from sonde.export.hub import export
from sonde.finetune import hub
from sonde.finetune.source import open_source
from sonde.recipe import Recipe
from sonde.run import Run

SMALL = {"width": 16, "layers": 2, "heads": 2, "hidden": 32, "length": 12}
ROWS = [(f"the {animal} {verb} number {number}", animal) for number in range(12) for animal, verb in (("cat", "sleeps"), ("dog", "barks"))]


def written(path: Path, rows: list[tuple[str, str]]) -> Path:
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(path, separator="\t")
    return path


def trained(path: Path, out: Path, *, weights: Path | None = None, **settings: Any) -> Run:
    model = {"name": "bert-tiny", "config": SMALL} if weights is None else {"weights": str(weights)}
    recipe = Recipe().replace(
        data={"path": str(path), "text": "text", "target": ("label",), "floor": 1},
        model=model,
        training={"epochs": 1, "compile": False, "device": "cpu"},
    )
    return fit.train(recipe.replace(**settings), out=out, pages=False)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder of the hub."""
    folder = tmp_path_factory.mktemp("published")
    export(trained(written(folder / "texts.tsv", ROWS), folder / "run"), folder / "hub")
    return folder


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    """It once more, to be damaged."""
    return Path(shutil.copytree(published / "hub", tmp_path / "hub"))


def changed(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    change(tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")


def test_missing_extra_and_misshaped_weights_are_all_listed(published: Path, copy: Path, tmp_path: Path) -> None:
    def damage(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["bert.encoder.layer.0.output.dense.bias"]
        del tensors["bert.encoder.layer.1.attention.self.key.weight"]
        tensors["bert.encoder.layer.7.output.dense.bias"] = torch.zeros(3)
        tensors["bert.embeddings.position_embeddings.weight"] = torch.zeros(12, 8)

    changed(copy, damage)
    with pytest.raises(RecipeError) as caught:
        trained(published / "texts.tsv", tmp_path / "run", weights=copy)
    said = str(caught.value)
    assert "bert.encoder.layer.0.output.dense.bias is missing" in said
    assert "bert.encoder.layer.1.attention.self.key.weight is missing" in said
    assert "bert.encoder.layer.7.output.dense.bias is not in the model" in said
    assert "bert.embeddings.position_embeddings.weight is 12×8 in the file and 12×16 in the model" in said


def test_weights_in_pytorch_s_own_format(published: Path, copy: Path, tmp_path: Path) -> None:
    tensors = safetensors.torch.load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(tensors, copy / "pytorch_model.bin")
    run = trained(published / "texts.tsv", tmp_path / "run", weights=copy, training={"epochs": 0})
    for name, tensor in run.model.network.state_dict().items():
        torch.testing.assert_close(tensor, tensors[name])


class Code:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("this ran",)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_file_that_would_run_code_is_refused(published: Path, copy: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "model.safetensors").unlink()
    path = copy / "pytorch_model.bin"
    if how == "torch":
        torch.save({"bert.pooler.dense.bias": torch.zeros(16), "more": Code()}, path)
    else:
        path.write_bytes(pickle.dumps({"more": Code()}))
    with pytest.raises(RecipeError, match="this file holds more than weights: loading all of it would run code from the file, and is refused"):
        trained(published / "texts.tsv", tmp_path / "run", weights=copy)
    assert "this ran" not in capsys.readouterr().out


def test_more_tokens_than_places(published: Path, tmp_path: Path) -> None:
    """A length that the weights have no places for is an error; a shorter one cuts, and the share is said."""
    long = written(tmp_path / "long.tsv", [*ROWS, *((f"{text} {text} {text}", label) for text, label in ROWS)])
    with pytest.raises(RecipeError, match=r"longer than the 12 places|has 12 places"):
        trained(long, tmp_path / "run", weights=published / "hub", data={"length": 15})
    run = trained(long, tmp_path / "short", weights=published / "hub", data={"length": 10})
    assert run.preparation.length == 10
    assert "rows of the train part" in notes(run)
    assert "%" in next(line for line in notes(run).splitlines() if "rows of the train part" in line)


def test_rows_without_text_are_named_with_their_lines(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Empty texts and blanks are left out when the file is read; what has characters, but no piece, is an error of its row."""
    path = tmp_path / "holes.tsv"
    lines = [f"{text}\t{label}\n" for text, label in ROWS]
    path.write_text("text\tlabel\n" + "".join(lines) + '\tcat\n   \tdog\n\u0007\u200b\tcat\n', encoding="utf-8")
    main(["data", str(path), "--target", "label"])
    assert "lines 26, 27: 2 rows without text left out" in capsys.readouterr().out
    parts = {"validation": 0.0, "test": 0.0}
    with pytest.raises(DataError, match="line 28: there is no text"):
        trained(path, tmp_path / "run", weights=published / "hub", data=parts)
    run = trained(path, tmp_path / "skipped", weights=published / "hub", data=parts | {"on_error": "skip"})
    assert "24 examples" in notes(run)


ODD = ["😀😀 👩‍👩‍👧‍👦", "שלום עולם", "مرحبا بالعالم", "\u202ecat\u202c", "ﬁne ½ ①", "a\u0301\u0327", "\ufeffdog", "cat\x00dog\x1b[0m", "x" * 500]


def test_emoji_right_to_left_and_control_characters(published: Path, tmp_path: Path) -> None:
    run = Run.load(published / "run")
    rows = run.predict(pl.DataFrame({"text": ODD}))
    assert rows.height == len(ODD)
    assert set(rows["prediction"]) <= {"cat", "dog"}
    assert all(np.isfinite(rows[name].to_numpy()).all() for name in rows.columns if name.startswith("probability"))
    _, vectors = embeddings.embed(run, ODD)
    assert np.isfinite(vectors).all()
    assert vectors.shape == (len(ODD), 16)


def test_frozen_stages_stay_and_frozen_features_are_a_baseline(published: Path, tmp_path: Path) -> None:
    before = open_source(str(published / "hub")).tensors
    for freeze, still in ((("stem", "stage1"), ("bert.embeddings.", "bert.encoder.layer.0.")), (("body",), ("bert.embeddings.", "bert.encoder."))):
        model = {"weights": str(published / "hub"), "freeze": freeze}
        run = trained(published / "texts.tsv", tmp_path / freeze[0], model=model, optim={"name": "adamw", "lr": 0.01}, weights=published / "hub")
        for name, tensor in run.model.network.state_dict().items():
            assert torch.equal(tensor, before[name]) == name.startswith(still), name
        assert run.metrics["accuracy"] >= 0


def test_a_name_of_the_hub_brings_its_vocabulary(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def repository(name: str, file: str, revision: str | None) -> Path:
        asked.append(file)
        path = published / "hub" / file
        if not path.exists():
            raise sys.modules["huggingface_hub.errors"].EntryNotFoundError(file)  # type: ignore[attr-defined]
        return path

    library(monkeypatch, repository)
    source = open_source("some/bert")
    assert source.model is not None and source.model.startswith("bert-")
    assert asked == ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "tokenizer_config.json"]


def test_offline_says_what_to_fetch_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    found = library(monkeypatch, lambda *_: (_ for _ in ()).throw(found.errors.OfflineModeIsEnabled("offline")))  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match=r"the hub cannot be reached.*\n.*hf download google/bert_uncased.*tokenizer\.json or vocab\.txt too"):
        hub.fetch("google/bert_uncased")


def test_a_config_of_another_form(copy: Path, published: Path, tmp_path: Path) -> None:
    known = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(known | {"hidden_act": "gelu_new"}))
    with pytest.raises(RecipeError, match=r"this BERT has hidden_act = 'gelu_new', and Sonde's has 'gelu'"):
        trained(published / "texts.tsv", tmp_path / "run", weights=copy)
