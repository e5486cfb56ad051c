"""Sonde's loop on the sentences of bench/contenders/sentences.py, with everything it does beside: loss, perplexity, accuracy, events."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.contenders.gate import Gate, settings
from bench.contenders.sentences import DROPOUT, HEADS, HIDDEN, LAYERS, LR, WIDTH, written
from bench.contenders.sonde_fit import Clock, Unsaved
from sonde.data.feed import feed
from sonde.experiment import prepare
from sonde.fit import plan_of
from sonde.optim import optimizers
from sonde.recipe import Recipe
from sonde.training.events import EventLog
from sonde.training.interrupt import watching
from sonde.training.loop import Loop
from sonde.training.world import join


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    sizes = {"width": WIDTH, "layers": LAYERS, "heads": HEADS, "hidden": HIDDEN, "norm": "post", "tied": "none"}
    with tempfile.TemporaryDirectory() as folder, join("cpu") as world, watching() as request:
        path = Path(folder) / "pairs.tsv"
        written(given.examples, path)
        recipe = Recipe().replace(
            data={"path": str(path), "validation": 0.0, "test": 0.0, "floor": 1},
            task={"name": "translation"},
            model={"name": "transformer", "config": sizes | {"dropout": DROPOUT, "attention_dropout": DROPOUT}},
            optim={"name": "adam", "lr": LR, "schedule": "constant", "weight_decay": 0.0, "clip": 1.0},
            training={"epochs": 100_000, "batch_size": given.batch, "compile": given.compile, "device": "cpu", "save_every": 0.0},
        )
        experiment = prepare(recipe, None, world)
        part, network = experiment.parts["train"], experiment.model.network
        train = feed(part.columns, part.index, batch_size=given.batch, seed=0, shuffle=True, device=world.device)
        optimizer = optimizers.build("adam", network, lr=LR, momentum=0.0, weight_decay=0.0, decay_bias=False)
        log = EventLog(None, [Clock(gate, train.steps)])
        plan = plan_of(experiment.recipe, experiment.task)
        loop = Loop(experiment.model, network, experiment.task, optimizer, train, None, world, plan, Unsaved(), log, request)
        log.emit({"event": "start"})
        loop.run()


if __name__ == "__main__":
    main()
