"""Recurrent models on running text: the carried state is resumed bit for bit, cut over pieces and processes, and clipped gradients stay equal."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sonde import fit, models
from sonde.data.lanes import LaneBatches
from sonde.errors import Interrupted
from sonde.nn.prepared import Prepared
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.tasks.language_modelling import LanguageModelling
from sonde.training.checkpoints import Checkpoints
from sonde.training.evaluate import evaluate
from sonde.training.world import World

WORDS = ("time", "machine", "traveller", "the", "of", "a", "space", "dimension", "and", "fourth")


def book(folder: Path) -> Path:
    draw = np.random.default_rng(2)
    path = folder / "book.txt"
    path.write_text("\n".join(" ".join(draw.choice(WORDS, size=9)) for _ in range(60)) + "\n")
    return path


def recipe(folder: Path, model: str, **training: Any) -> Recipe:
    return Recipe().replace(
        data={"path": str(book(folder))},
        task={"options": {"steps": 8}},
        model={"name": model, "config": {"width": 8, "layers": 2}},
        optim={"name": "adamw", "lr": 0.01, "clip": 0.05},
        training={"epochs": 2, "batch_size": 4, "compile": False, "seed": 3, **training},
    )


def saved(run: Run | Path) -> dict[str, torch.Tensor]:
    path = run if isinstance(run, Path) else run.path
    folder = path / "checkpoints" / Checkpoints(path).pointers()["last"][0]
    state = {f"state.{name}": tensor for name, tensor in load_file(folder / "state.safetensors").items()}
    return load_file(folder / "weights.safetensors") | load_file(folder / "optimizer.safetensors") | state


def stop_in_the_middle(event: dict[str, Any]) -> None:
    if event["event"] == "train":
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("model", ["gru", "lstm"])
def test_stopped_in_mid_epoch_and_resumed_is_bitwise_the_same(tmp_path: Path, model: str) -> None:
    chosen = recipe(tmp_path, model, ema=0.9).replace(model={"config": {"width": 8, "layers": 2, "dropout": 0.2}})
    whole = saved(fit.train(chosen, out=tmp_path / "whole", pages=False))
    with pytest.raises(Interrupted):
        fit.train(chosen, out=tmp_path / "stopped", listen=[stop_in_the_middle], pages=False)
    halfway = saved(tmp_path / "stopped")
    carried = [name for name in halfway if name.startswith("state.carried")]
    assert len(carried) == (2 if model == "lstm" else 1)
    assert all(halfway[name].shape == (4, 2, 8) and halfway[name].any() for name in carried)
    resumed = saved(fit.resume(tmp_path / "stopped"))
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_pieces_and_processes_change_nothing(tmp_path: Path) -> None:
    chosen = recipe(tmp_path, "gru", precision="float64", epochs=1)

    def trained(**changed: int) -> dict[str, torch.Tensor]:
        name = "-".join(f"{key}{value}" for key, value in changed.items()) or "one"
        return saved(fit.train(chosen.replace(training=changed), out=tmp_path / name, pages=False))

    one = trained()
    for other in (trained(accumulate=3), trained(processes=2)):
        weights = [name for name in one if name.startswith(("recurrent", "output"))]
        assert max(float((one[name] - other[name]).abs().max()) for name in weights) <= 1e-10
        torch.testing.assert_close(other["state.carried.0"], one["state.carried.0"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm"])
def test_evaluation_measures_each_token_but_the_first_once_whatever_the_window(model: str) -> None:
    torch.manual_seed(0)
    network = models.build(model, {"vocabulary": 9, "outputs": 9, "per": "token", "width": 8, "layers": 2}).double()
    task = LanguageModelling((1,) * 9)
    stream = torch.randint(9, (503,), generator=torch.Generator().manual_seed(5), dtype=torch.int32)
    found = []
    for steps in (1, 7, 64, 600):
        batches = LaneBatches(stream, 40, 501, lanes=3, steps=steps, seed=0, shuffle=False, device="cpu")
        measured = torch.cat([batch.index[batch.targets.flatten() >= 0] for (batch,) in batches.epoch(0) if batch.targets is not None])
        assert (measured.sort().values - measured.min()).tolist() == list(range(460))
        assert sum(batch.counts["examples"] for (batch,) in batches.epoch(0)) == 460
        found.append(evaluate(Prepared(torch.nn.Identity(), network), task, batches, World(), final=True).metrics)
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-6)
