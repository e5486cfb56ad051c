"""CIFAR-10 in about 15 minutes on 2 cores: the recipe cifar10-airbench, judged on the publisher's test pictures.

Multiply-adds are those of training, forward and backward (`sonde cost`), for every example of every epoch. The recipe was chosen on
validation pictures of short trials; the test pictures are looked at here alone.

On a machine with an NVIDIA GPU also the recipe cifar10-airbench94, the paper's widths and batch, to 94 %: how long its training takes, from the
first step to the last, validation and checkpoints between epochs included.
"""

from __future__ import annotations

import json

import torch

from bench.machine import data, sonde
from bench.scores import SMALL, over_seeds, workplace
from bench.table import Options, Row, main

RECIPE = "cifar10-airbench"
# Of one example in training, which sees one view of it. The peak that is given is not used here; without it the machine is measured.
COST = ("cost", RECIPE, "--set", "model.views=one", "--batch", "1", "--peak", "1e12", "--json")


GPU_RECIPE = "cifar10-airbench94"


def measure(options: Options) -> list[Row]:
    """Accuracy, wall time and multiply-adds; on a GPU too, where there is one."""
    return on_cpu(options) + (on_gpu(options) if torch.cuda.is_available() else [])


def on_gpu(options: Options) -> list[Row]:
    """Accuracy and time of the paper's network, over seeds."""
    with workplace() as folder:
        runs = over_seeds(folder, 1 if options.quick else 3, GPU_RECIPE, "--device", "cuda", *(SMALL if options.quick else ()))
        trained = [json.loads((run.run / "metrics.json").read_text(encoding="utf-8"))["seconds"]["train"] for run in runs]
    name = f"CIFAR-10, airbench94, {torch.cuda.get_device_name()}"
    return [
        Row(f"{name}: test accuracy", [run.metric("accuracy") for run in runs], at_least=0.94, centre="mean", digits=4),
        Row(f"{name}: training alone", trained, "s", at_most=10),
        Row(f"{name}: whole command", [run.seconds for run in runs], "s"),
    ]


def on_cpu(options: Options) -> list[Row]:
    """Accuracy, wall time and multiply-adds of the narrow network."""
    data("cifar10")
    with workplace() as folder:
        (run,) = over_seeds(folder, 1, RECIPE, *(SMALL if options.quick else ()))
        cost = json.loads(sonde(*COST, folder=folder).stdout)
        finished = json.loads((run.run / "metrics.json").read_text(encoding="utf-8"))
    seen = finished["epochs"] * finished["examples"]["train"]
    work = cost["training_multiply_adds"] * seen / 1e12
    trained = finished["seconds"]["train"]
    name = "CIFAR-10, narrow airbench94"
    return [
        Row(f"{name}: test accuracy", [run.metric("accuracy")], at_least=0.88, digits=4),
        Row(f"{name}: whole command", [run.seconds], "s"),
        Row(f"{name}: training alone", [trained], "s"),
        Row(f"{name}: multiply-adds, forward and backward", [work], "T"),
        Row(f"{name}: speed of the training", [work * 1e3 / trained], "G multiply-adds/s"),
    ]


if __name__ == "__main__":
    main("CIFAR-10 in a quarter of an hour", measure)
