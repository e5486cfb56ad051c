"""Blood cells (205 pictures to learn from, 3 kinds): the recipe bccd-yolo-small, judged on the publisher's 72 test pictures.

How it is trained was chosen on the publisher's validation part; the test part is looked at here alone.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main

RECIPE = "bccd-yolo-small"
MINUTES = 30


def measure(options: Options) -> list[Row]:
    """Mean average precision and wall time."""
    data("bccd")
    with workplace() as folder:
        (run,) = over_seeds(folder, 1, RECIPE, *(("--epochs", "1") if options.quick else ()))
    name = "bccd, yolo-small from scratch"
    return [
        Row(f"{name}: test mAP@0.5", [run.metric("map-50")], at_least=0.78, digits=4),
        Row(f"{name}: test mAP@0.5:0.95", [run.metric("map")], digits=4),
        *(Row(f"{name}: test AP@0.5 of {kind}", [run.metric(f"ap-50:{kind}")], digits=4) for kind in ("Platelets", "RBC", "WBC")),
        Row(f"{name}: whole command", [run.seconds / 60], "min", at_most=MINUTES),
    ]


if __name__ == "__main__":
    main("Blood cells in half an hour", measure)
