"""Sonde's loop on the texts of bench/contenders/bert_task.py, with everything it does beside: loss, accuracy, events."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.contenders.bert_task import DECAY, LR, prepared
from bench.contenders.gate import Gate, settings
from bench.contenders.sonde_fit import Clock, Unsaved
from sonde.data.feed import feed
from sonde.fit import plan_of
from sonde.optim import optimizers
from sonde.training.events import EventLog
from sonde.training.interrupt import watching
from sonde.training.loop import Loop
from sonde.training.world import join


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    with tempfile.TemporaryDirectory() as folder, join("cpu") as world, watching() as request:
        experiment = prepared(given, Path(folder), world)
        part, network = experiment.parts["train"], experiment.model.network
        train = feed(part.columns, part.index, batch_size=given.batch, seed=0, shuffle=True, device=world.device)
        optimizer = optimizers.build("adamw", network, lr=LR, momentum=0.0, weight_decay=DECAY, decay_bias=False)
        log = EventLog(None, [Clock(gate, train.steps)])
        plan = plan_of(experiment.recipe, experiment.task)
        loop = Loop(experiment.model, network, experiment.task, optimizer, train, None, world, plan, Unsaved(), log, request)
        log.emit({"event": "start"})
        loop.run()


if __name__ == "__main__":
    main()
