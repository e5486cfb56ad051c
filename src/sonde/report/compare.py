"""The page of a comparison: runs beside each other, or one recipe value over a range (the capacity curve)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sonde.report.bars import Dots, dot_rows
from sonde.report.frame import Block, page, save
from sonde.report.html import Markup, figure, join, name, prose, shorten, table, tag, term
from sonde.report.lines import Line, Mark, line_chart
from sonde.report.measures import measure, spread, written
from sonde.report.numbers import count, finite, items, percent, seconds, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.page import attempt, foot
from sonde.report.read import Pictures, View

Drawing = tuple[str, str, str, Callable[[], Markup]]


def write_comparison(found: dict[str, Any], out: Path) -> Path:
    """A comparison as one HTML file that needs nothing else.

    Args:
        found: what `explain.compare.compare` (runs: "rows", "pick", "notes") or `vary_summary` (a range: "points",
            "best", "message", and the "key" that was varied) gave; whatever is missing is left out.
        out: the file to write.

    Returns `out`.

    Raises:
        RunError: the page cannot be written.
    """
    found, failed = as_table(found), list[str]()
    ranged = bool(tables(found.get("points")))
    title = f"{shorten(found.get('key') or 'a value', 40)} over a range" if ranged else "Which run to pick"
    drawings = _range(found) if ranged else _runs(found)
    blocks = [Block(key, heading, prose(explains), attempt(heading, draw, failed)) for key, heading, explains, draw in drawings]
    head = attempt("the headline", lambda: _range_head(found, title) if ranged else _runs_head(found, title), failed)
    kind = "one value over a range" if ranged else "comparison"
    return save(out, page(f"{title} · Sonde", kind, head, blocks, foot=foot(View(Pictures()), failed)))


def _runs(found: dict[str, Any]) -> list[Drawing]:
    return [
        ("table", "Models and errors", "One row a run. What was picked was picked by [validation] alone.", lambda: _rows(found)),
        (
            "gaps",
            "Seen and unseen",
            "How far apart training and the rest lie: a long line is learning by heart, that is [overfitting].",
            lambda: _gaps(found),
        ),
        ("notes", "What makes this unsafe", "Reasons to read the numbers with care.", lambda: _notes(found)),
    ]


def _runs_head(found: dict[str, Any], title: str) -> Markup:
    pick = as_table(found.get("pick"))
    heading = tag("h1", {"class": "title"}, title)
    if not pick:
        return join([heading, tag("p", {"class": "warning"}, "No run can be picked: none has a validation part to choose by.")])
    key = text(found.get("metric"))
    row = next((row for row in tables(found.get("rows")) if row.get("run") == pick.get("run")), {})
    lead = tag("p", {"class": "lead"}, prose("Take **{}**: {}.", name(pick.get("name"), 60), shorten(pick.get("why"), 300).rstrip(".")))
    if finite(row.get("validation")) is None:
        return join([heading, lead])
    where = join([name(row.get("model") or pick.get("name"), 40), f", {measure(key).word} on the ", term("validation"), " part"])
    unseen = finite(row.get("unseen"))
    said = prose("On the [test] part, which had no say in this, it reaches {}.", written(key, unseen)) if unseen is not None else None
    big = tag("p", {"class": "big"}, written(key, row.get("validation")))
    block = tag("div", {"class": "said"}, tag("p", {"class": "where"}, where), tag("p", None, said) if said else None)
    return join([heading, lead, tag("div", {"class": "answer"}, big, block)])


def _rows(found: dict[str, Any]) -> Markup:
    key, rows = text(found.get("metric")), tables(found.get("rows"))
    if not rows:
        return Markup("")
    word, better = measure(key).word, text(found.get("better"))
    head = ["run", "model", term("training"), term("validation"), term("unseen"), "gap", "verdict", "parameters", "time", "looks"]
    picked = text(as_table(found.get("pick")).get("run"))
    lines = []
    for row in rows:
        gap = finite(row.get("gap"))
        lines.append(
            [
                name(row.get("name", ""), 32),
                name(row.get("model", ""), 24),
                written(key, row.get("train")),
                spread(key, row.get("validation"), row.get("sd")),
                written(key, row.get("unseen")),
                percent(gap, 0) if gap is not None else "–",
                _verdict(row, picked=bool(picked) and row.get("run") == picked),
                show(count(row.get("parameters"))),
                seconds(row.get("seconds")),
                show(count(row.get("looks"))),
            ]
        )
    note = prose("{}: {} is better. Gap: how much smaller the [training] error is than the [validation] error.", word, better or "–")
    return join([table(head, lines, numbers=(2, 3, 4, 5, 7, 8, 9), wide=True), tag("p", {"class": "note"}, note), _reasons(rows)])


def _verdict(row: dict[str, Any], *, picked: bool) -> Markup:
    said = text(row.get("verdict")) or "–"
    kind = "best" if picked else {"over-fits": "warning", "under-fits": "warning"}.get(said, "")
    return tag("span", {"class": f"chip {kind}".strip(), "title": shorten(row.get("why"), 300) if row.get("why") else None}, said)


def _reasons(rows: list[dict[str, Any]]) -> Markup | None:
    said = [
        tag(
            "li",
            None,
            prose("**{}** {}: {}", name(row.get("name", row.get("value", "")), 40), text(row.get("verdict")), shorten(row["why"], 300)),
        )
        for row in rows
        if row.get("why")
    ]
    return tag("ul", {"class": "plain"}, said) if said else None


def _gaps(found: dict[str, Any]) -> Markup:
    key = text(found.get("metric"))
    rows = []
    for row in tables(found.get("rows")):
        places = [
            ("training", "training", row.get("train")),
            ("validation", "validation", row.get("validation")),
            ("test", "test", row.get("unseen")),
        ]
        known = [(word, kind, number) for word, kind, value in places if (number := finite(value)) is not None]
        if known:
            rows.append(Dots(text(row.get("name")), known))
    found_measure = measure(key)
    note = f"{found_measure.word}: {found.get('better', found_measure.better)} is better."
    return dot_rows(f"{found_measure.word} of each run", rows, percent=found_measure.share, note=note[:1].upper() + note[1:])


def _notes(found: dict[str, Any]) -> Markup:
    said = [tag("li", None, shorten(note, 400)) for note in items(found.get("notes")) if isinstance(note, str) and note]
    return tag("ul", {"class": "plain"}, said) if said else Markup("")


def _range(found: dict[str, Any]) -> list[Drawing]:
    return [
        (
            "curve",
            "Training and validation",
            "Where both lines are poor the model cannot learn enough: [underfitting]. Where [training] goes on improving and "
            "[validation] turns away from it, it learns by heart: [overfitting]. The best place of the validation line is the one to pick.",
            lambda: _curve(found),
        ),
        ("table", "Every value", "What was tried, what came out, and what it shows.", lambda: _points(found)),
    ]


def _range_head(found: dict[str, Any], title: str) -> Markup:
    heading = tag("h1", {"class": "title"}, title)
    message = text(found.get("message"))
    lead = tag(
        "p", {"class": "lead"}, shorten(message[:1].upper() + message[1:], 600) + ("" if message.endswith(".") or not message else ".")
    )
    best = found.get("best")
    if best is None:
        return join([heading, lead])
    where = tag("p", {"class": "where"}, prose("is the {} to pick, by the [validation] part alone", name(found.get("key") or "value", 40)))
    shown = _value(best)
    big = tag("p", {"class": "big" if len(shown) < 8 else "big long"}, shown)
    return join([heading, tag("div", {"class": "answer"}, big, tag("div", {"class": "said"}, where)), lead])


def _curve(found: dict[str, Any]) -> Markup:
    key, points = text(found.get("metric")), tables(found.get("points"))
    numeric = all(finite(point.get("value")) is not None for point in points)
    places = [finite(point.get("value")) or 0.0 for point in points] if numeric else [float(index) for index in range(len(points))]
    order = sorted(range(len(points)), key=lambda index: places[index])
    lines = [
        Line(word, [(places[index], finite(points[index].get(part))) for index in order], word, pointed=True)
        for word, part in (("training", "train"), ("validation", "validation"))
    ]
    if any(finite(point.get("baseline")) is not None for point in points):
        beside = shorten(found.get("baseline") or "baseline", 40)
        lines.append(Line(beside, [(places[index], finite(points[index].get("baseline"))) for index in order], "s2", pointed=True))
    best = next((index for index in order if points[index].get("value") == found.get("best")), None)
    value = finite(points[best].get("validation")) if best is not None else None
    marks = [Mark(places[best], value, f"pick {_value(found.get('best'))}")] if best is not None and value is not None else []
    least, most = min(places), max(places)
    return line_chart(
        f"{measure(key).word} against {shorten(found.get('key') or 'the value', 40)}",
        lines,
        x_label=shorten(found.get("key") or "", 40),
        log_x=numeric and least > 0 and most / least >= 10,
        x_ticks=[places[index] for index in order] if numeric else None,
        x_names=None if numeric else [_value(point.get("value")) for point in points],
        percent=measure(key).share,
        marks=marks,
        note=f"{text(found.get('better')) or measure(key).better} is better.".capitalize(),
        height=280,
        size="full",
    )


def _points(found: dict[str, Any]) -> Markup:
    key, points = text(found.get("metric")), tables(found.get("points"))
    head = [name(found.get("key") or "value", 32), term("training"), term("validation"), "gap", "verdict", "parameters"]
    rows = []
    for point in points:
        gap = finite(point.get("gap"))
        best = point.get("value") == found.get("best")
        shown = [written(key, point.get("train")), written(key, point.get("validation")), percent(gap, 0) if gap is not None else "–"]
        rows.append([name(_value(point.get("value")), 32), *shown, _verdict(point, picked=best), show(count(point.get("parameters")))])
    reasons = _reasons([{**point, "name": _value(point.get("value"))} for point in points])
    return join([figure(f"{measure(key).word}", table(head, rows, numbers=(1, 2, 3, 5))), reasons])


def _value(value: object) -> str:
    return show(value) if finite(value) is not None else shorten(text(value), 40)
