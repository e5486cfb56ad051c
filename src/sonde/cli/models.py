"""`sonde models [NAME]`: what there is, or one model's sizes, parameters and file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sonde.cli.flags import Json, many, settings
from sonde.cli.output import Answer, number, say, table
from sonde.errors import UsageError

CHART = Parameter(negative_iterable=(), consume_multiple=True, show_default=False, help="runs to chart: accuracy against speed, parameters and memory")


def models(
    name: Annotated[str | None, Parameter(help="a model")] = None,
    /,
    *,
    set: Annotated[tuple[str, ...], many("count at another size: --set classes=100 (repeatable)")] = (),
    chart: Annotated[tuple[str, ...] | None, CHART] = None,
    out: Annotated[Path, Parameter(help="where the chart is written")] = Path("models.html"),
    json: Json = False,
) -> Answer:
    """List models, or show one, or chart trained ones: what they read, parameters, multiply-adds, values for --set model.…, source file."""
    from sonde.models import MODELS

    if chart is not None:
        if name is not None or set:
            extra = "--set" if name is None else repr(name)
            raise UsageError(f"--chart is of runs, and {extra} of a model", where="sonde models", remedy=f"leave one out: {extra} or --chart")
        if not chart:
            raise UsageError("--chart has no run", where="sonde models", remedy="name the folders of runs: sonde models --chart runs/a runs/b")
        return _chart(chart, out, json=json)
    if name is None:
        if set:
            raise UsageError("--set goes with one model", where="sonde models", remedy="name it: sonde models resnet18 --set classes=100")
        counted = _counted()
        listed = [_describe(each) | counted[each] for each in MODELS]
        rows = [(each["name"], each["accepts"], each["parameters"], each["multiply_adds"], each["description"]) for each in listed]
        said = "Counted at the sizes of each one's paper; a multiply-add counts as one. sonde models NAME shows one, sonde cost NAME its layers."
        return Answer({"models": listed}, table(rows, ("model", "reads", "parameters", "multiply-adds", "what it is")) + f"\n\n{said}", json=json)
    chosen = _describe(name) | _sized(name, {key.removeprefix("model."): value for key, value in settings(set).items()})
    settable = [(f"model.{key}", str(value)) for key, value in chosen["config"].items() if key not in chosen["counted_at"]]
    lines = [
        f"{name}: {chosen['description']}",
        f"reads          {chosen['accepts']}",
        f"parameters     {number(chosen['parameters'])} at {_sizes(chosen['counted_at'])}",
        f"multiply-adds  {number(chosen['multiply_adds'])} for one example, forward",
        f"source         {chosen['source']}",
    ]
    if settable:
        lines += ["", table(settable, ("--set", "default"))]
    return Answer(chosen, "\n".join(lines), json=json)


def _describe(name: str) -> dict[str, Any]:
    """What a model is. Raises RecipeError for an unknown name."""
    from sonde import models

    module = models.module(name)
    text = (module.__doc__ or "").strip().splitlines()[0]
    return {"name": name, "description": text, "accepts": models.accepts(name), "source": str(Path(module.__file__))}


def _counted() -> dict[str, dict[str, Any]]:
    """Parameters and multiply-adds of all, from what was counted once."""
    from sonde.cost.catalogue import catalogue, is_known
    from sonde.cost.source import usual

    if not is_known():
        say("counting all models, some seconds, once …")
    found = catalogue().items()
    return {name: {"parameters": parameters, "multiply_adds": work, "counted_at": usual(name)} for name, (parameters, work) in found}


def _sized(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """A model's values, parameters and multiply-adds; these are counted without making it."""
    from sonde.cost.account import count
    from sonde.cost.source import find

    source = find(name, settings=changes)
    parameters, multiply_adds = count(source)
    return {"parameters": parameters, "multiply_adds": multiply_adds, "counted_at": dict(source.sizes), "config": dict(source.config)}


def _chart(runs: tuple[str, ...], out: Path, *, json: bool) -> Answer:
    from sonde.cost.zoo import side_by_side
    from sonde.report.numbers import plural
    from sonde.report.roofline import size
    from sonde.report.zoo import write_zoo

    found = side_by_side(runs)
    metric = found["metric"]
    rows = [
        (
            row["name"],
            row["model"],
            row["value"],
            round(row["examples_per_second"]),
            row["parameters"],
            row["multiply_adds"],
            size(row["training"]),
            "*" if row["best"] else "",
        )
        for row in found["rows"]
    ]
    heads = ("run", "model", metric, "examples/s", "parameters", "multiply-adds", "to train", "")
    page = write_zoo(found, out)
    said = f"* no other is at least as good and faster. {found['batch']} examples at once, {plural(found['threads'], 'thread')}"
    return Answer({**found, "page": str(page)}, f"{table(rows, heads)}\n\n{said}\npage  {page}", json=json)


def _sizes(sizes: dict[str, Any]) -> str:
    return ", ".join(f"{key} {number(value)}" for key, value in sizes.items())
