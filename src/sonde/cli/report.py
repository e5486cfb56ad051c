"""`sonde report RUN…`: the page of a run, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sonde.cli.flags import Json, many
from sonde.cli.output import Answer
from sonde.errors import UsageError


def report(
    *runs: Annotated[Path, Parameter(help="run folders")],
    no_examples: Annotated[
        bool, Parameter(negative=(), show_default=False, help="leave out all that tells of single examples: rows, names, pictures")
    ] = False,
    figures: Annotated[
        bool, Parameter(negative=(), show_default=False, help="first make the figures anew, from the model and its data (else only the page)")
    ] = False,
    look: Annotated[
        tuple[str, ...], many("what a classifier of pictures sees in this picture: a file, or an example held out by its name or number (repeatable)")
    ] = (),
    out: Annotated[Path | None, Parameter(help="the page to write [default: report.html in the run, or beside several]")] = None,
    json: Json = False,
) -> Answer:
    """Write the HTML page of a run, or of several side by side; it needs no other file."""
    if not runs:
        raise UsageError("no run was named", where="sonde report", remedy="name run folders; `sonde runs` lists them")

    if look and (no_examples or len(runs) > 1):
        other = "--no-examples" if no_examples else "several runs"
        raise UsageError(f"--look and {other} do not go together", where="sonde report", remedy="look into one run, with its examples")

    from sonde.report.page import write_report

    if figures or look:
        from sonde.explain.explain import explain
        from sonde.run import Run

        for run in runs:
            explain(Run.load(run), examples=not no_examples, look=look)
    page = write_report(runs, out, examples=not no_examples)
    return Answer({"runs": [str(run) for run in runs], "report": str(page), "examples": not no_examples}, f"report {page}", json=json)
