"""Sonde's own loop on running text, with everything it does beside: the state carried on, clipping, loss, perplexity, its health watch.

As `book_text` has it: 28 characters, hidden size 256, 35 steps, SGD. `--examples` counts sequences.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from bench.contenders.book_text import STEPS, VOCABULARY, WIDTH
from bench.contenders.gate import Gate, settings
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


def random_text(characters: int) -> str:
    """Lines of random letters: 28 characters with the space and the line end."""
    alphabet = np.array(list("abcdefghijklmnopqrstuvwxyz \n"))
    assert len(alphabet) == VOCABULARY
    return "".join(alphabet[np.random.default_rng(0).integers(VOCABULARY, size=characters)])


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    recipe = Recipe().replace(
        data={"validation": 0.0, "test": 0.0},
        task={"name": "language-modelling", "options": {"steps": STEPS}},
        model={"name": given.network, "config": {"width": WIDTH}},
        optim={"name": "sgd", "lr": given.lr, "schedule": "constant", "weight_decay": 0.0, "clip": 1.0},
        training={"epochs": 100_000, "batch_size": given.batch, "compile": False, "device": "cpu", "save_every": 0.0},
    )
    with tempfile.TemporaryDirectory() as folder, join("cpu") as world, watching() as request:
        path = Path(folder) / "random.txt"
        # A window more, so that an epoch has as many steps as the book's.
        path.write_text(random_text((given.examples + 1) * STEPS + given.batch), encoding="utf-8")
        experiment = prepare(recipe.replace(data={"path": str(path)}), None, world)
        part, network = experiment.parts["train"], experiment.model.network
        train = feed(part.columns, part.index, batch_size=given.batch, seed=0, shuffle=True, device=world.device)
        optimizer = optimizers.build("sgd", network, lr=given.lr, momentum=0.0, weight_decay=0.0, decay_bias=False)
        log = EventLog(None, [Clock(gate, train.steps)])
        plan = plan_of(experiment.recipe, experiment.task)
        loop = Loop(experiment.model, network, experiment.task, optimizer, train, None, world, plan, Unsaved(), log, request)
        log.emit({"event": "start"})
        loop.run()


if __name__ == "__main__":
    main()
