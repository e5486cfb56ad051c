"""Raccoons (160 photographs to learn from): a small detector on a body that learnt CIFAR-10 here, judged on the 40 test photographs.

Two commands, both counted: the body (cifar10-resnet18-light), then the detector that begins from it (raccoon-yolo-small); beside them the
detector from scratch. How they are trained was chosen with a part of the 160 held out; the 40 are looked at here alone.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import SMALL, over_seeds, train, workplace
from bench.table import Options, Row, main

BODY, RECIPE = "cifar10-resnet18-light", "raccoon-yolo-small"
MINUTES = 30


def measure(options: Options) -> list[Row]:
    """Mean average precision with and without the body, and wall time of both commands."""
    data("cifar10")
    data("raccoon")
    quick = ("--epochs", "1") if options.quick else ()
    with workplace() as folder:
        body = train(folder, BODY, *(SMALL if options.quick else ()))
        (tuned,) = over_seeds(folder, 1, RECIPE, "--weights", str(body.run), *quick)
        (scratch,) = over_seeds(folder, 1, RECIPE, *quick)
    name = "raccoon, yolo-small"
    return [
        Row("CIFAR-10, the body (resnet18-light): test accuracy", [body.metric("accuracy")], digits=4),
        Row(f"{name} on the body: test mAP@0.5", [tuned.metric("map-50")], at_least=0.50, digits=4),
        Row(f"{name} on the body: test mAP@0.5:0.95", [tuned.metric("map")], digits=4),
        Row(f"{name} on the body: both commands", [(body.seconds + tuned.seconds) / 60], "min", at_most=MINUTES),
        Row(f"{name} from scratch: test mAP@0.5", [scratch.metric("map-50")], digits=4),
    ]


if __name__ == "__main__":
    main("Raccoons from a body that learnt here", measure)
