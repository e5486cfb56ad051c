"""Texts of 64 tokens with two classes, and a network of bert-mini's size to fine-tune on them: the same numbers and weights for everybody.

A token is a Chinese character, which is one piece whatever the vocabulary. `bert` drops out at the published rates, `bert-plain` nowhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bench.contenders.gate import Settings
from sonde.experiment import Experiment, prepare
from sonde.models.bert import SPREAD
from sonde.recipe import Recipe
from sonde.training.world import World

STEPS, CHARACTERS, FIRST, LR, DECAY = 64, 20_000, 0x4E00, 1e-4, 0.01


def prepared(given: Settings, folder: Path, world: World) -> Experiment:
    """Columns, task and model, the weights drawn from a seed of their own."""
    draw = np.random.default_rng(0)
    letters = draw.integers(FIRST, FIRST + CHARACTERS, size=(given.examples, STEPS - 2))
    rows = [f"{''.join(map(chr, row))}\t{'ab'[draw.integers(2)]}\n" for row in letters]
    path = folder / "texts.tsv"
    path.write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    drop = 0.0 if given.network == "bert-plain" else 0.1
    recipe = Recipe().replace(
        data={"path": str(path), "text": "text", "target": ("label",), "validation": 0.0, "test": 0.0, "floor": 1, "vocabulary": 30_000},
        model={"name": "bert-mini", "config": {"dropout": drop, "attention_dropout": drop}},
        optim={"name": "adamw", "lr": LR, "schedule": "constant", "weight_decay": DECAY, "clip": 1.0},
        training={"epochs": 100_000, "batch_size": given.batch, "compile": given.compile, "device": "cpu", "save_every": 0.0},
    )
    experiment = prepare(recipe, None, world)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in experiment.model.network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=SPREAD)
    return experiment
