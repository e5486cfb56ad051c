"""Translators: stopped and resumed bit for bit, and the same whether a batch is cut into pieces or given to two processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sonde import fit
from sonde.errors import Interrupted
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.training.checkpoints import Checkpoints

WORDS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "five": "fünf", "six": "sechs", "seven": "sieben", "eight": "acht"}
MODELS = {
    "transformer": {"width": 8, "layers": 1, "heads": 2},
    "seq2seq-gru-attention": {"width": 8, "hidden": 8, "layers": 1},
}


def recipe(folder: Path, model: str, *, dropout: float = 0.0, **training: Any) -> Recipe:
    """Sentences of two to six words, so that batches have padding."""
    draw = np.random.default_rng(4)
    rows = [draw.choice(list(WORDS), size=int(draw.integers(2, 7))) for _ in range(90)]
    path = folder / "pairs.tsv"
    path.write_text("".join(f"{' '.join(row)}\t{' '.join(WORDS[word] for word in row)}\n" for row in rows), encoding="utf-8")
    return Recipe().replace(
        data={"path": str(path), "tokenizer": "words"},
        task={"name": "translation", "options": {"smoothing": 0.1, "longest": 4}},
        model={"name": model, "config": MODELS[model] | {"dropout": dropout}},
        optim={"name": "adamw", "lr": 0.01, "clip": 0.5},
        training={"epochs": 2, "batch_size": 8, "compile": False, "seed": 3, **training},
    )


def saved(run: Run | Path) -> dict[str, torch.Tensor]:
    path = run if isinstance(run, Path) else run.path
    folder = path / "checkpoints" / Checkpoints(path).pointers()["last"][0]
    state = {f"state.{name}": tensor for name, tensor in load_file(folder / "state.safetensors").items()}
    return load_file(folder / "weights.safetensors") | load_file(folder / "optimizer.safetensors") | state


def stop_in_the_middle(event: dict[str, Any]) -> None:
    if event["event"] == "train":
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("model", MODELS)
def test_stopped_in_mid_epoch_and_resumed_is_bitwise_the_same(tmp_path: Path, model: str) -> None:
    chosen = recipe(tmp_path, model, dropout=0.2, ema=0.9)
    whole = saved(fit.train(chosen, out=tmp_path / "whole", pages=False))
    with pytest.raises(Interrupted):
        fit.train(chosen, out=tmp_path / "stopped", listen=[stop_in_the_middle], pages=False)
    halfway = saved(tmp_path / "stopped")
    assert any(not torch.equal(halfway[name], whole[name]) for name in whole if name in halfway)
    resumed = saved(fit.resume(tmp_path / "stopped"))
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


@pytest.mark.parametrize("model", MODELS)
def test_pieces_and_processes_change_nothing(tmp_path: Path, model: str) -> None:
    chosen = recipe(tmp_path, model, precision="float64", epochs=1)

    def trained(**changed: int) -> Run:
        name = "-".join(f"{key}{value}" for key, value in changed.items()) or "one"
        return fit.train(chosen.replace(training=changed), out=tmp_path / name, pages=False)

    one = trained()
    for other in (trained(accumulate=3), trained(processes=2)):
        first, second = (load_file(run.path / "checkpoints" / Checkpoints(run.path).pointers()["last"][0] / "weights.safetensors") for run in (one, other))
        assert max(float((first[name] - second[name]).abs().max()) for name in first) <= 1e-10
        assert other.metrics["perplexity"] == pytest.approx(one.metrics["perplexity"], rel=1e-9)
        assert other.metrics["bleu"] == one.metrics["bleu"]
