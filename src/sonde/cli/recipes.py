"""`sonde recipes [NAME]`: what there is, or one recipe's TOML."""

from __future__ import annotations

import sonde.recipes
from sonde.cli.flags import Json
from sonde.cli.output import Answer, number, table
from sonde.recipes import RECIPES


def recipes(name: str | None = None, /, *, json: Json = False) -> Answer:
    """List recipes with what each reaches, or print one as TOML: a start for a recipe file of your own.

    Parameters
    ----------
    name: str
        a recipe
    """
    if name is not None:
        text = sonde.recipes.text(name)
        return Answer(_summary(name) | {"recipe": sonde.recipes.load(name).model_dump(), "toml": text}, text, json=json)
    rows = [(each, _reached(each), sonde.recipes.describe(each)) for each in RECIPES]
    text = table(rows, ("recipe", "reaches", "what it is")) + "\n\nsonde recipes NAME prints one, sonde train NAME runs it"
    return Answer({"recipes": [_summary(each) for each in RECIPES]}, text, json=json)


def _summary(name: str) -> dict[str, object]:
    result = sonde.recipes.result(name)
    return {"name": name, "description": sonde.recipes.describe(name), "result": None if result is None else result.model_dump()}


def _reached(name: str) -> str:
    result = sonde.recipes.result(name)
    if result is None:
        return "not measured yet"
    spread = "(one run)" if result.sd is None else f"± {number(result.sd)} ({len(result.seeds)} seeds)"
    return f"{result.part} {result.metric} {number(result.mean)} {spread}"
