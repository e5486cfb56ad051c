"""`sonde runs`: list runs, or delete some."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sonde.cli.flags import Json
from sonde.cli.folder import find, inside, read
from sonde.cli.output import Answer, number, table
from sonde.errors import RunError

DELETE = Parameter(negative_iterable=(), consume_multiple=True, show_default=False, help="delete these runs, by name")


def runs(
    *,
    folder: Annotated[Path, Parameter(help="where the runs are")] = Path("runs"),
    delete: Annotated[tuple[str, ...], DELETE] = (),
    json: Json = False,
) -> Answer:
    """List runs, the oldest first, or delete some: all that are named, or none where a name is wrong."""
    if delete:
        chosen = [inside(folder, name) for name in dict.fromkeys(delete)]
        for path in chosen:
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
        return Answer({"deleted": [str(path) for path in chosen]}, "\n".join(f"deleted {path}" for path in chosen), json=json)
    listed = [_describe(path) for path in find(folder)]
    if not listed:
        return Answer({"folder": str(folder), "runs": []}, f"no runs in {folder}; `sonde train` makes one", json=json)
    rows = [
        (each["run"], each["state"], Path(each["data"] or "–").name, each["task"] or "–", each["model"] or "–", _measure(each))
        for each in listed
    ]
    return Answer({"folder": str(folder), "runs": listed}, table(rows, ("run", "state", "data", "task", "model", "measure")), json=json)


def _describe(path: Path) -> dict[str, Any]:
    try:
        folder = read(path)
    except RunError as error:  # one of a newer format should not hide the others
        return {
            "run": str(path),
            "state": error.what,
            "data": None,
            "task": None,
            "model": None,
            "part": None,
            "monitor": None,
            "metrics": {},
        }
    data, task, model = folder.names
    part, values = folder.final
    return {
        "run": str(path),
        "state": folder.state,
        "data": data,
        "task": task,
        "model": model,
        "part": part,
        "monitor": folder.monitor[0],
        "metrics": values,
    }


def _measure(run: dict[str, Any]) -> str:
    name = run["monitor"]
    return f"{run['part']} {name} {number(run['metrics'].get(name))}" if name else "–"
