"""`sonde compare RUN…`: models × (training, validation, unseen), which to pick, which over- and under-fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sonde.cli.flags import Json
from sonde.cli.output import Answer, table
from sonde.errors import UsageError


def compare(
    *runs: Annotated[Path, Parameter(help="run folders, at least two")],
    out: Annotated[
        Path | None, Parameter(help="write an HTML page that says which to pick (curves side by side: sonde report RUN RUN)")
    ] = None,
    json: Json = False,
) -> Answer:
    """Compare runs by their validation part; the test part is shown and does not choose."""
    if len(runs) < 2:
        raise UsageError(
            "two runs are needed to compare", where="sonde compare", remedy="name two or more run folders; `sonde runs` lists them"
        )

    from sonde.explain import compare as comparison

    found = comparison.compare(runs)
    page = None
    if out is not None:
        from sonde.report.compare import write_comparison

        page = str(write_comparison(found, out))
    columns = ("run", "model", "parameters", "train", "validation", "sd", "unseen", "verdict")
    rows = [tuple(row[key] for key in columns) for row in found["rows"]]
    lines = [f"{found['metric']}, {found['better']} is better", table(rows, columns), ""]
    lines += [f"{row['run']} {row['verdict']}: {row['why']}" for row in found["rows"] if row["verdict"] in ("over-fits", "under-fits")]
    lines += [f"pick {found['pick']['run']}: {found['pick']['why']}"] if found["pick"] else []
    lines += [f"note: {note}" for note in found["notes"]] + ([f"page {page}"] if page else [])
    return Answer({**found, "page": page}, "\n".join(lines), json=json)
