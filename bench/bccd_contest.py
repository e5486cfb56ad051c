"""A contest on blood cells: what balancing, weights, folds and fused boxes bring, all judged on the publisher's 72 test pictures.

Every row is the recipe bccd-yolo-small at a sixth of its epochs, one training each. Three folds are trained on the publisher's training part
alone, so that the test part is new to all of them; the ensemble is the folds' boxes, fused (weighted boxes fusion), which `sonde predict` and
`sonde evaluate` do for any run of folds. Rare are platelets and white cells: 1 in 10 objects each; the recipe's own measure, mean average
precision, counts them as much as red cells.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench.machine import data, sonde
from bench.scores import Training, train, workplace
from bench.table import Options, Row, main
from sonde.tasks.detection import Detection

RECIPE, EPOCHS, FOLDS = "bccd-yolo-small", 15, 3
RARE = ("Platelets", "WBC")
FORMS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "pictures with rare classes more often": ("--set", "data.balance=true"),
}
if "class_weights" in Detection.OPTIONS:
    FORMS["rare classes weigh more"] = ("--set", "task.class_weights=balanced")


def judged(run: Path, folder: Path) -> dict[str, float]:
    """The measures of a run, or of the fused boxes of its folds, on the publisher's test part."""
    found: dict[str, float] = json.loads(sonde("evaluate", str(run), str(data("bccd")), "--json", "--quiet", folder=folder).stdout)["metrics"]
    return found


def rows(name: str, found: list[dict[str, float]]) -> list[Row]:
    """Mean average precision, and that of the rare classes, of one way to play."""
    rare = [sum(one[f"ap-50:{kind}"] for kind in RARE) / len(RARE) for one in found]
    return [
        Row(f"bccd, {name}: test mAP@0.5", [one["map-50"] for one in found], centre="mean", digits=4),
        Row(f"bccd, {name}: test AP@0.5 of the rare classes", rare, centre="mean", digits=4),
        Row(f"bccd, {name}: test mAP@0.5:0.95", [one["map"] for one in found], centre="mean", digits=4),
    ]


def measure(options: Options) -> list[Row]:
    """One model in three forms, then five folds: each by itself, and their boxes fused; the last also with balance."""
    epochs, folds = ("1", "2") if options.quick else (str(EPOCHS), str(FOLDS))
    told: list[Row] = []
    seconds: list[Training] = []
    with workplace() as folder:
        for name, flags in FORMS.items():
            run = train(folder, RECIPE, "--epochs", epochs, *flags)
            seconds.append(run)
            told += rows(f"one model, {name}", [run.answer["metrics"]["test"]])
        for name, flags in list(FORMS.items())[:2]:
            run = train(folder, RECIPE, "--epochs", epochs, "--folds", folds, *flags)
            seconds.append(run)
            alone = [judged(place, folder) for place in sorted((run.run / "folds").iterdir())]
            told += rows(f"{folds} folds, {name}, each by itself", alone)
            told += rows(f"{folds} folds, {name}, boxes fused", [judged(run.run, folder)])
    told.append(Row("bccd contest: all trainings", [sum(run.seconds for run in seconds) / 60], "min"))
    return told


if __name__ == "__main__":
    main("A contest on blood cells", measure)
