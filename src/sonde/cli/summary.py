"""The block that closes a training: measures of every part beside a baseline, where things are, what to do next."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

from sonde.cli.folder import Folder, read
from sonde.cli.output import duration, number, table
from sonde.report.read import read_table

PARTS = ("train", "validation", "test", "out_of_fold", "mean", "sd")
MEASURES = 8  # columns of the table, at most, where some are of single classes


def document(path: Path) -> dict[str, Any]:
    """What `sonde train --json` prints; the keys are those of docs/commands.md."""
    folder = read(path)
    metrics, report = folder.metrics, path / "report.html"
    _, task, model = folder.names
    return {
        "run": str(path),
        "report": str(report) if report.is_file() else None,
        "task": task,
        "targets": list(folder.model.get("task", {}).get("target", {}).get("columns", [])),
        "model": {"name": model, "parameters": folder.model.get("parameters")},
        "begun": folder.model.get("begun", {}),
        "monitor": metrics.get("monitor"),
        "better": metrics.get("better"),
        "best": metrics.get("best"),
        "metrics": {part: metrics[part] for part in PARTS if metrics.get(part)},
        "folds": metrics.get("folds", []),
        "baseline": baseline(folder),
        "epochs": metrics.get("epochs"),
        "steps": metrics.get("steps"),
        "stopped": metrics.get("stopped"),
        "seconds": metrics.get("seconds"),
        "examples_per_second": metrics.get("examples_per_second"),
        "examples": metrics.get("examples"),
        "test_looks": metrics.get("test_looks"),
    }


def text(found: dict[str, Any]) -> str:
    """The same for people."""
    lines = [measures(found["metrics"], found["baseline"]), ""]
    lines += [_how(found)] if found["best"] else []
    run = shlex.quote(found["run"])
    rows = [
        ("run", found["run"]),
        ("report", found["report"]),
        ("predict", f"sonde predict {run} FILE…"),
        ("measure", f"sonde evaluate {run} DATA"),
    ]
    return "\n".join(lines + [f"{name:<8} {value}" for name, value in rows if value])


def measures(parts: dict[str, dict[str, Any]], simple: dict[str, Any] | None) -> str:
    """A table of parts × measures, the baseline last."""
    names = list(dict.fromkeys(name for values in parts.values() for name in values))
    if len(names) > MEASURES:  # of single classes, `iou:road`: metrics.json and the report have them
        names = [name for name in names if ":" not in name]
    rows: list[tuple[Any, ...]] = [(part.replace("_", "-"), *(values.get(name) for name in names)) for part, values in parts.items()]
    if simple is not None:
        rows.append((simple["what"], *(simple["value"] if name == simple["metric"] else None for name in names)))
    return table(rows, ("part", *names))


def baseline(folder: Folder) -> dict[str, Any] | None:
    """What a guess without a model reaches on the part that the run is judged by.

    The commonest training class for accuracy, the mean for rmse; None where there is no such guess (a forecast has its
    persistence among its measures).
    """
    part, values = folder.final
    if "accuracy" in values:
        classes = [each for each in read_table(folder.path / "data.json").get("classes") or [] if each.get("counts")]
        common = max(classes, key=lambda each: _count(each, "train"), default=None)
        total = sum(_count(each, part) for each in classes)
        if common is None or not total:
            return None
        return {"what": f"always {common['name']}", "metric": "accuracy", "value": _count(common, part) / total}
    if "rmse" in values and values.get("r2", 1.0) < 1:
        # r² = 1 − SSE / SST, so the mean's own root mean squared error follows from the model's
        return {"what": "always the mean", "metric": "rmse", "value": values["rmse"] / math.sqrt(1 - values["r2"])}
    return None


def _count(row: dict[str, Any], part: str) -> int:
    """How many examples of a class a part has; all of them where the data have no such part."""
    counts: dict[str, int] = row["counts"]
    return counts[part] if part in counts else sum(counts.values())


def _how(found: dict[str, Any]) -> str:
    best, seconds = found["best"], (found["seconds"] or {}).get("total")
    took = f", in {duration(float(seconds))}" if seconds is not None else ""
    if not found["epochs"]:  # solved, not stepped
        return f"solved{took}\n"
    if "validation" not in found["metrics"]:  # nothing to choose by: the last epoch it is
        return f"trained {number(found['epochs'])} epochs{took}; no validation part to choose an epoch by\n"
    return (
        f"chosen after epoch {number(best['epoch'])} of {number(found['epochs'])} by {found['monitor']} ({number(best['value'])}){took}\n"
    )
