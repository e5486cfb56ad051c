"""Flowers, 300 training photographs, no public weights: from a body that learned CIFAR-10 here, against the same model from scratch.

One body serves all seeds; the seeds draw heads, first weights and order. How each way is trained, and that pictures are read at 64×64, was
chosen with a quarter of the 300 photographs held out, the way from scratch with as many trials as the other; only the body's rate was chosen
afterwards, in four folds of them. The publisher's 75 others are looked at here alone, once a run. The baseline is a small network on the frozen
body's features.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from bench.machine import data
from bench.scores import SMALL, Training, over_seeds, train, workplace
from bench.table import Options, Row, main

MODEL = "resnet18-light"
# The small detectors' body, three times as long; without smoothed labels, which cost what another task could use of the features
# (Kornblith et al. 2021, "Why do better loss functions lead to less transferable features?").
BODY = ("cifar10-resnet18-light", "--epochs", "12", "--set", "task.smoothing=0")
# The same for all that learn by themselves.
COMMON = ("--size", "64", "--validation", "0", "--batch-size", "32", "--schedule", "one-cycle")
LEARNING = ("--optimizer", "nesterov", "--augment", "flip,shift")
SCRATCH = ("--model", MODEL, *LEARNING, "--lr", "0.05", "--epochs", "80")
# Out of fold on the 300 photographs: 0.743 with the body at a fifth of the head's rate, 0.740 with its first half frozen, 0.723 with all at one
# rate or the stem and the first stage frozen.
TUNED = (*LEARNING, "--lr", "0.1", "--epochs", "40", "--body-lr", "0.2")
FROZEN = ("--freeze", "body", "--set", "model.new_head=64", "--optimizer", "adamw", "--lr", "0.003", "--epochs", "60")


def photographs(folder: Path) -> tuple[Path, Path]:
    """The publisher's parts as folders: 300 pictures to learn from, 75 to measure on."""
    with tarfile.open(data("flowers") / "flowers.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "flowers" / "train", folder / "flowers" / "val"


def measure(options: Options) -> list[Row]:
    """Accuracy and time of the three ways, and the gain over scratch in points, seed by seed."""
    data("cifar10")
    seeds, shorter = (1, ("--epochs", "1")) if options.quick else (3, ())
    with workplace() as folder:
        here, unseen = photographs(folder)
        body = train(folder, *BODY, *(SMALL if options.quick else ()), before=options.runs)
        flowers = (str(here), "--test", str(unseen), *COMMON)
        start = ("--weights", str(body.run))
        ways: dict[str, list[Training]] = {
            f"{MODEL} from scratch": over_seeds(folder, seeds, *flowers, *SCRATCH, *shorter),
            f"{MODEL} from the body": over_seeds(folder, seeds, *flowers, *start, *TUNED, *shorter),
            "a new net on the frozen body's features": over_seeds(folder, seeds, *flowers, *start, *FROZEN, *shorter),
        }
    scores = {name: [run.metric("accuracy") for run in runs] for name, runs in ways.items()}
    scratch, tuned, frozen = scores.values()
    rows = [Row(f"CIFAR-10, the body ({MODEL}): test accuracy", [body.metric("accuracy")], digits=4), Row("its training", [body.seconds], "s")]
    for name, runs in ways.items():
        rows.append(Row(f"flowers, {name}: accuracy", scores[name], centre="mean", digits=4))
        rows.append(Row(f"flowers, {name}: whole command", [run.seconds for run in runs], "s"))
    gains = [100 * (after - before) for after, before in zip(tuned, scratch, strict=True)]
    rows.append(Row("flowers: fine-tuned above scratch", gains, "points", at_least=8, centre="mean"))
    gains = [100 * (after - before) for after, before in zip(frozen, scratch, strict=True)]
    return [*rows, Row("flowers: frozen features above scratch", gains, "points", centre="mean")]


if __name__ == "__main__":
    main("Flowers, fine-tuned from CIFAR-10", measure)
