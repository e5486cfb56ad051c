"""`sonde models [NAME]`: what there is, or one model's sizes, parameters and file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sonde.cli.flags import Json, many, settings
from sonde.cli.output import Answer, number, table
from sonde.errors import UsageError

# What the parameters are counted at: the sizes of the paper that made the model known.
SIZES: dict[str, dict[str, Any]] = {
    "sonde.models.lenet": {"channels": 1, "size": 28, "classes": 10},
    "sonde.models.resnet_cifar": {"channels": 3, "size": 32, "classes": 10},
    "sonde.models.mlp": {"numbers": 784, "outputs": 10},
    "sonde.models.softmax_regression": {"numbers": 784, "outputs": 10},
}
IMAGES: dict[str, Any] = {"channels": 3, "size": 224, "classes": 1000}
NUMBERS: dict[str, Any] = {"numbers": 10, "outputs": 1}


def models(
    name: Annotated[str | None, Parameter(help="a model")] = None,
    /,
    *,
    set: Annotated[tuple[str, ...], many("count at another size: --set classes=100 (repeatable)")] = (),
    json: Json = False,
) -> Answer:
    """List models, or show one: what it accepts, its values for --set model.…, parameters, source file."""
    from sonde.models import MODELS

    if name is None:
        if set:
            raise UsageError("--set goes with one model", where="sonde models", remedy="name it: sonde models resnet18 --set classes=100")
        listed = [_describe(each) for each in MODELS]
        rows = [(each["name"], each["accepts"], each["description"]) for each in listed]
        return Answer({"models": listed}, table(rows, ("model", "reads", "what it is")) + "\n\nsonde models NAME shows one", json=json)
    chosen = _describe(name) | _sized(name, {key.removeprefix("model."): value for key, value in settings(set).items()})
    settable = [(f"model.{key}", str(value)) for key, value in chosen["config"].items() if key not in chosen["counted_at"]]
    lines = [
        f"{name}: {chosen['description']}",
        f"reads       {chosen['accepts']}",
        f"parameters  {number(chosen['parameters'])} at {_sizes(chosen['counted_at'])}",
        f"source      {chosen['source']}",
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


def _sized(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """A model's values and parameters; these are counted without making it."""
    from sonde import models
    from sonde.models.count import parameters

    module = models.module(name)
    known = {field.name for field in dataclasses.fields(module.VARIANTS[name])}
    usual = SIZES.get(module.__name__, IMAGES if models.accepts(name) == "images" else NUMBERS)
    sizes = {key: value for key, value in usual.items() if key in known}
    values = {**sizes, **changes}
    return {
        "parameters": parameters(name, values),
        "counted_at": {key: values[key] for key in sizes},
        "config": dataclasses.asdict(models.config(name, values)),
    }


def _sizes(sizes: dict[str, Any]) -> str:
    return ", ".join(f"{key} {number(value)}" for key, value in sizes.items())
