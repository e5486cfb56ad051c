"""Sonde's own loop on pictures as they were read (uint8), with everything it does beside: loss, accuracy, events, its health watch.

As with the peers nothing is validated or saved, and the clock stands still between epochs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.contenders.digits import mnist
from bench.contenders.gate import Gate, settings
from sonde.data.batches import Batches
from sonde.experiment import prepare
from sonde.fit import plan_of
from sonde.optim import optimizers
from sonde.recipe import Recipe
from sonde.training.checkpoints import Checkpoint, Checkpoints
from sonde.training.events import EventLog
from sonde.training.interrupt import watching
from sonde.training.loop import Loop
from sonde.training.world import join

# What the peers' networks have, so that equal steps begin alike: Sonde's own residual blocks begin as the identity and learn more slowly at first.
CONFIGS: dict[str, dict[str, Any]] = {"mlp": {"width": 256, "depth": 1}, "resnet18": {"zero_last": False}, "resnet50": {"zero_last": False}}


class Clock:
    """A listener: an epoch ends with its last `train` event; the next begins when its health has been looked at."""

    def __init__(self, gate: Gate, steps: int) -> None:
        self.gate, self.steps, self.losses = gate, steps, list[float]()

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] in ("start", "scale"):
            self.losses.clear()
            self.gate.begin()
        elif event["event"] == "train":
            self.losses.append(event["loss"])
            if event["step"] % self.steps == 0:
                self.gate.end(sum(self.losses) / len(self.losses))


class Unsaved(Checkpoints):
    """Checkpoints of which nothing is written."""

    def __init__(self) -> None:
        super().__init__(Path())

    def save(self, checkpoint: Checkpoint, *, best: bool, wait: bool = False) -> None:
        """Write nothing."""


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    name = given.network.removesuffix("-224")
    recipe = Recipe().replace(
        data={"validation": 0.0, "test": 0.0},
        model={"name": name, "config": CONFIGS.get(name, {})},
        optim={"name": "sgd", "lr": given.lr, "schedule": "constant", "weight_decay": 0.0},
        training={
            "epochs": 100_000, "batch_size": given.batch, "compile": given.compile, "save_every": 0.0,
            "device": given.device, "precision": given.precision,
        },
    )
    with join(given.device) as world, watching() as request:
        experiment = prepare(recipe, mnist(given.examples, given.network), world)
        part, network = experiment.parts["train"], experiment.model.network
        train = Batches(part.columns, part.index, batch_size=given.batch, seed=0, shuffle=True, device=world.device)
        optimizer = optimizers.build("sgd", network, lr=given.lr, momentum=0.0, weight_decay=0.0, decay_bias=False)
        log = EventLog(None, [Clock(gate, train.steps)])
        plan = plan_of(experiment.recipe, experiment.task)
        loop = Loop(experiment.model, network, experiment.task, optimizer, train, None, world, plan, Unsaved(), log, request)
        log.emit({"event": "start"})
        loop.run()


if __name__ == "__main__":
    main()
