"""`sonde tasks`: kinds of problem."""

from __future__ import annotations

import importlib
from typing import Any

from sonde.cli.flags import Json
from sonde.cli.output import Answer


def tasks(*, json: Json = False) -> Answer:
    """List kinds of problem and their options for --set task.…; `sonde train --task NAME` chooses one."""
    from sonde.tasks import TASKS

    listed = [_describe(name, path) for name, path in TASKS.items()]
    lines: list[str] = []
    for each in listed:
        lines += [f"{each['name']}: {each['description']}", *(f"  task.{key}: {text}" for key, text in each["options"].items())]
    return Answer({"tasks": listed}, "\n".join(lines), json=json)


def _describe(name: str, path: str) -> dict[str, Any]:
    module, _, cls = path.partition(":")
    source = importlib.import_module(module)
    task = getattr(source, cls)
    return {
        "name": name,
        "description": (task.__doc__ or "").strip().splitlines()[0],
        "options": dict(task.OPTIONS),
        "source": str(source.__file__),
    }
