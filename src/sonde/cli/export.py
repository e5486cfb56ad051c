"""`sonde export RUN --to FORMAT`: a trained model as a folder that works without Sonde."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sonde.cli.flags import Json
from sonde.cli.output import Answer
from sonde.errors import UsageError, did_you_mean
from sonde.export import FORMATS


def export(
    run: Annotated[str, Parameter(help="run folder")],
    /,
    *,
    to: Annotated[str, Parameter(help="the format: numpy, or hub for the BERT family")] = "numpy",
    out: Annotated[Path | None, Parameter(help="the folder to write [default: RUN/export/FORMAT]")] = None,
    json: Json = False,
) -> Answer:
    """Write a run's model, weights and preprocessing so that they need nothing of Sonde. Its predictions are checked first."""
    if to not in FORMATS:
        raise UsageError(f"there is no format {to!r}", where="--to", remedy=did_you_mean(to, FORMATS))

    from sonde.run import Run

    module, _, name = FORMATS[to].partition(":")
    loaded = Run.load(run)
    done = getattr(importlib.import_module(module), name)(loaded, loaded.path / "export" / to if out is None else out)
    document = {
        "run": run,
        "format": to,
        "folder": str(done.folder),
        "bytes": done.bytes,
        "difference": done.difference,
        "checked": done.checked,
        "examples": done.examples,
    }
    text = (
        f"folder   {done.folder} ({done.bytes / 1e6:.2f} MB)\n"
        f"checked  {done.checked} {done.examples}: outputs differ by {done.difference:.1e} of the largest at most\n"
        f"use      {done.use}"
    )
    return Answer(document, text, json=json)
