"""One value of a recipe over a range: training against validation error, where it under-fits, where it over-fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sonde import record
from sonde.explain.compare import vary_summary
from sonde.recipe import FLAGS, Recipe, with_flags, with_settings
from sonde.report.compare import write_comparison
from sonde.run import Run
from sonde.run_folder import FORMAT
from sonde.search import folds
from sonde.search.baseline import baseline
from sonde.training.checkpoints import write_json
from sonde.training.events import Listener


def vary(
    recipe: Recipe, key: str, values: Sequence[Any], *, data: Any = None, out: Path | None = None, listen: Sequence[Listener] = ()
) -> dict[str, Any]:
    """Train `recipe` once for each of `values` of `key` (a flag's name, or section.name as in `--set`).

    Each is a full run folder `<out>/<value>`; summary.json and comparison.html stand beside them. Gives the summary,
    which names the value to pick by the validation part alone, with `page` and `folder` as text. Where `examples` is varied
    a classical model stands beside each point (`baseline`).
    """
    folder = record.new_folder(record.name_of(recipe, data) + "-vary", out)
    points: list[dict[str, Any]] = []
    beside: list[tuple[str, dict[str, float]] | None] = []
    for value in values:
        name = key.replace("-", "_")
        changed = with_flags(recipe, {name: value}) if name in FLAGS else with_settings(recipe, {key: value})
        for listener in listen:
            listener({"event": "note", "message": f"{key} = {value}"})
        run: Run = folds.train(changed, data=data, out=folder / str(value).replace("/", "-"), listen=listen)
        found = run.metrics_file
        if name == "examples" and found.get("validation"):  # the data-size curve has a classical one beside it
            beside.append(baseline(run, "validation"))
        points.append(
            {
                "value": value,
                "run": str(run.path),
                "metric": found["monitor"],
                "better": found["better"],
                "train": found["train"],
                "validation": found.get("validation") or found.get("mean"),
                "parameters": run.description["parameters"],
                "examples": found["examples"].get("validation"),
            }
        )
    summary = {"format": FORMAT, "key": key, **vary_summary(points)}
    for point, other in zip(summary["points"], beside, strict=False):
        if other is not None:
            summary["baseline"], point["baseline"] = other[0], other[1].get(summary["metric"])
    write_json(folder / "summary.json", summary)
    page = write_comparison(summary, folder / "comparison.html")
    return summary | {"page": str(page), "folder": str(folder)}
