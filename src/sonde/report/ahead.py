"""How errors grow with the steps that a series is foretold ahead, or across a gap that is filled in."""

from __future__ import annotations

from sonde.report.html import Markup, join, table
from sonde.report.lines import Line, line_chart
from sonde.report.numbers import finite, items, percent, show, text
from sonde.report.numbers import table as as_table
from sonde.report.read import Record, View

BASELINES = {"persistence": "as today", "straight-line": "straight line"}


def ahead(record: Record, view: View) -> Markup:
    """Errors by steps ahead beside those of the simplest answer, drawn and in numbers."""
    found = as_table(record.explain.get("ahead"))
    rows = [as_table(row) for row in items(found.get("rows"))]
    baseline = text(found.get("baseline"))
    word = BASELINES.get(baseline, baseline)
    told = [(finite(row.get("steps")), finite(row.get("mae")), finite(row.get(f"{baseline}-mae")), finite(row.get("skill"))) for row in rows]
    known = [(steps, mae, plain, skill) for steps, mae, plain, skill in told if steps and mae is not None and plain is not None]
    if not known:
        return Markup("")
    gap = baseline == "straight-line"
    lines = [
        Line("model", [(steps, mae) for steps, mae, _, _ in known], "validation", pointed=True),
        Line(word, [(steps, plain) for steps, _, plain, _ in known], "training", pointed=True, dashed=True),
    ]
    axis = "place in the gap" if gap else "steps ahead"
    drawn = line_chart(
        "Mean error by " + axis,
        lines,
        x_label=axis,
        log_x=not gap,
        x_ticks=[steps for steps, *_ in known],
        include=[0],
        note="Both sides of the gap are known." if gap else "Predictions are fed back as if they had happened, so that errors add up.",
        height=240,
    )
    cells = [(show(steps), show(mae), show(plain), percent(skill) if skill is not None else "–") for steps, mae, plain, skill in known]
    return join([drawn, table((axis, "mean error", word, "better by"), cells, numbers=range(4))])
