"""What the data looked like: columns, class balance, pictures, the series, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sonde.report.bars import Bar, bars, mini_histogram
from sonde.report.html import Markup, coded, facts, fold, join, name, prose, shorten, table, tag, term
from sonde.report.lines import Line, line_chart, thin
from sonde.report.numbers import count, finite, finites, items, percent, plural, show, tables, text
from sonde.report.numbers import table as as_table
from sonde.report.read import PARTS, SPOKEN, View, problems

COLUMNS_SHOWN = 200
CLASSES_SHOWN = 24
PROBLEMS_SHOWN = 400
PLACES_SHOWN = 8
# What Pillow calls the colours of a picture.
MODES = {
    "L": "grey",
    "1": "black and white",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "P": "palette",
    "LA": "grey with transparency",
}
ROLES = {"target": "target", "feature": "feature", "left-out": "left out"}


def columns(data: dict[str, Any], view: View) -> Markup:
    """Every column with its type, what is done with it, gaps and distribution."""
    found = tables(data.get("columns"))
    if not found or not _tabular(data):
        return Markup("")
    total = _total(data)
    order = {"target": 0, "feature": 1, "left-out": 2}
    found = sorted(found, key=lambda each: order.get(text(each.get("role")), 1))
    head: list[object] = ["column", "used as", "type", "missing", "distinct"]
    head += ["distribution", "values"] if view.examples else ["mean", "sd"]
    rows = [_column(each, total, view) for each in found[:COLUMNS_SHOWN]]
    shown = table(head, rows, numbers=(3, 4) if view.examples else (3, 4, 5, 6), wide=True)
    rest = len(found) - COLUMNS_SHOWN
    return join([shown, tag("p", {"class": "note"}, f"The first {COLUMNS_SHOWN} of {show(len(found))} columns.") if rest > 0 else None])


def _tabular(data: dict[str, Any]) -> bool:
    """Whether columns are learned from: beside pictures stand only their names and labels."""
    return data.get("kind") != "images" or any(each.get("role") == "feature" for each in tables(data.get("columns")))


def _column(each: dict[str, Any], total: int, view: View) -> list[object]:
    role = text(each.get("role"))
    missing = count(each.get("missing")) or 0
    gaps = f"{percent(missing / total)}" if missing and total else "–" if not missing else show(missing)
    why = (
        tag("span", {"class": "quiet why"}, shorten(each.get("why"), 120))
        if view.examples and each.get("why") not in (None, "", "numbers", "dates")
        else None
    )
    used = join([tag("span", {"class": f"role {role}"}, ROLES.get(role, role)), why])
    row: list[object] = [name(each.get("name", ""), 32), used, text(each.get("type")), gaps, show(count(each.get("distinct")))]
    if not view.examples:
        return [*row, show(finite(each.get("mean"))), show(finite(each.get("std")))]
    return [*row, _distribution(each), _values(each)]


def _distribution(each: dict[str, Any]) -> Markup:
    bins = as_table(each.get("histogram"))
    counts = finites(bins.get("counts"))
    if counts:
        edges = finites(bins.get("edges"))
        span = f" from {show(edges[0])} to {show(edges[-1])}" if len(edges) > 1 else ""
        return mini_histogram(counts[:60], title=f"{shorten(each.get('name'), 40)}: histogram{span}")
    top = [finite(pair[1]) or 0.0 for pair in items(each.get("top")) if isinstance(pair, (list, tuple)) and len(pair) == 2]
    if len(top) < 2 or max(top) < 2:
        return Markup("")
    return mini_histogram(top[:24], title=f"{shorten(each.get('name'), 40)}: counts of the commonest values")


def _values(each: dict[str, Any]) -> Markup:
    low, high = finite(each.get("min")), finite(each.get("max"))
    if low is not None and high is not None:
        mean = finite(each.get("mean"))
        said = f"{show(low)} … {show(high)}" + (f", mean {show(mean)}" if mean is not None else "")
        return tag("span", {"class": "quiet"}, said)
    if text(each.get("min")) and text(each.get("max")):
        return tag("span", {"class": "quiet"}, f"{shorten(each.get('min'), 24)} … {shorten(each.get('max'), 24)}")
    top = [pair for pair in items(each.get("top")) if isinstance(pair, (list, tuple)) and len(pair) == 2]
    if top and any((finite(many) or 0) > 1 for _, many in top):
        said = ", ".join(f"{shorten(value, 24)} ({show(many)})" for value, many in top[:4])
        return tag("span", {"class": "quiet"}, shorten(said, 120))
    sample = [shorten(value, 30) for value in items(each.get("sample"))[:3]]
    return tag("span", {"class": "quiet"}, "such as " + "; ".join(sample)) if sample else Markup("")


def _total(data: dict[str, Any]) -> int:
    parts = as_table(data.get("parts"))
    return count(parts.get("all")) or sum(count(size) or 0 for size in parts.values())


def balance(data: dict[str, Any], view: View) -> Markup:
    """How many examples each class has, part by part."""
    found = [(text(each.get("name")), as_table(each.get("counts"))) for each in tables(data.get("classes"))]
    parts = [part for part in (*PARTS, "all") if any(count(counts.get(part)) for _, counts in found)]
    if len(found) < 2 or not parts:
        return Markup("")
    what = {"boxes": "objects", "masks": "pictures"}.get(text(data.get("kind")), "examples")
    kinds = {"train": "training", "validation": "validation", "test": "test", "all": "training"}

    def size(row: tuple[str, dict[str, Any]]) -> int:
        return sum(count(row[1].get(part)) or 0 for part in parts)

    def bar(row: tuple[str, dict[str, Any]]) -> Bar:
        return Bar(row[0], [(float(count(row[1].get(part)) or 0), kinds[part]) for part in parts], show(size(row)))

    entries = [(SPOKEN[part], kinds[part]) for part in parts] if len(parts) > 1 else []
    ordered = sorted(found, key=size, reverse=True)
    largest, smallest = size(ordered[0]), size(ordered[-1])
    ratio = (
        "All classes are about equally frequent."
        if smallest and largest < 1.5 * smallest
        else f"The commonest class has {show(largest / smallest, 2)} times as many examples as the rarest."
        if smallest
        else "Some classes have no example."
    )
    if len(found) <= CLASSES_SHOWN:
        return bars(f"{what.capitalize()} per class", [bar(row) for row in found], legend_of=entries, note=ratio)
    half = CLASSES_SHOWN // 2
    note = f"{show(len(found))} classes. {ratio}"
    return join(
        [
            bars(f"The {half} commonest classes", [bar(row) for row in ordered[:half]], legend_of=entries, note=note),
            bars(f"The {half} rarest classes", [bar(row) for row in ordered[-half:]], legend_of=entries),
        ]
    )


def pictures(data: dict[str, Any], folder: Path, view: View) -> Markup:
    """A contact sheet, and the sizes and colour modes of the pictures."""
    found = as_table(data.get("pictures"))
    if not found:
        return Markup("")
    sheet, scenes = [], False
    for each in tables(found.get("thumbnails"))[:48] if view.examples else []:
        address = view.pictures.address(folder, each.get("file"))
        if address:
            label = text(each.get("label"))
            image = tag("img", {"src": address, "alt": f"example of {shorten(label, 60)}" if label else "example", "loading": "lazy"})
            scenes = scenes or bool(each.get("wide"))
            sheet.append(tag("li", None, image, tag("p", None, name(label, 80 if scenes else 24)) if label else None))
    sizes = [each for each in items(found.get("sizes")) if isinstance(each, (list, tuple)) and len(each) == 3]
    sizes.sort(key=lambda each: -(finite(each[2]) or 0))
    said = ", ".join(f"{show(width)} × {show(high)} ({show(many)})" for width, high, many in sizes[:5])
    modes = ", ".join(
        f"{MODES.get(mode, shorten(mode, 20))} ({show(many)})" for mode, many in list(as_table(found.get("modes")).items())[:8]
    )
    more = f" and {plural(len(sizes) - 5, 'more size')}" if len(sizes) > 5 else ""
    rows = [
        ("pictures", show(count(found.get("count"))) if count(found.get("count")) is not None else None),
        ("width × height", said + more),
        ("colours", modes),
    ]
    objects = {key: finite(value) for key, value in as_table(data.get("objects")).items()}
    if objects.get("most") is not None:
        least, median, most = (show(objects.get(key)) for key in ("least", "median", "most"))
        rows.append(("objects a training picture", f"{least} to {most}, median {median}"))
    if objects.get("side") is not None:
        rows.append(("size of an object", f"its side is about {percent(objects['side'], 0)} of the picture's (median of √ of the shares of area)"))
    drawn = tag("ul", {"class": "sheet scenes" if scenes else "sheet small"}, sheet) if sheet else None
    return join([_legend(data) if scenes else None, drawn, facts(rows)])


def _legend(data: dict[str, Any]) -> Markup:
    """The classes in the colours in which they are drawn."""
    entries = tables(data.get("legend"))
    if len(entries) < 2:
        return Markup("")
    known = [(f"background:{each['colour']}", text(each.get("name"))) for each in entries[:40] if _is_colour(each)]
    shown = [tag("li", None, tag("i", {"style": colour}), name(said, 24)) for colour, said in known]
    more = tag("li", None, f"and {show(len(entries) - 40)} more") if len(entries) > 40 else None
    return tag("ul", {"class": "swatches"}, shown, more)


def _is_colour(entry: dict[str, Any]) -> bool:
    return re.fullmatch(r"#[0-9a-f]{6}", text(entry.get("colour"))) is not None


def augmented(data: dict[str, Any], folder: Path, view: View) -> Markup:
    """Rows of examples, each as it is and as several epochs would see it."""
    found = as_table(data.get("augmented"))
    rows = tables(found.get("rows")) if view.examples else []
    if not rows:
        return Markup("")
    width = max(len(tables(row.get("cells"))) for row in rows)
    heads = [tag("p", {"class": "head"}, "as it is" if number == 0 else f"epoch {number}") for number in range(width)]
    cells = []
    for row in rows:
        for number, each in enumerate(tables(row.get("cells"))):
            address = view.pictures.address(folder, each.get("file"))
            label = text(each.get("label"))
            said = f"{shorten(label, 60) or 'example'}, {'as it is' if number == 0 else f'as epoch {number} sees it'}"
            image = tag("img", {"src": address, "alt": said, "loading": "lazy"}) if address else None
            told = number == 0 or label != text(row.get("label"))
            cells.append(tag("div", None, image, tag("p", None, shorten(label, 44)) if label and told else None))
    flag = tag("code", None, f"--augment {','.join(text(each) for each in items(found.get('names')))}")
    return join([tag("p", None, flag), tag("div", {"class": "draws"}, heads, cells)])


def series(data: dict[str, Any], view: View) -> Markup:
    """The series as a line, with its span, step and gaps."""
    found = as_table(data.get("series"))
    if not found:
        return Markup("")
    rows = [
        ("gaps", show(count(found.get("gaps"))) if count(found.get("gaps")) is not None else None),
        ("one value every", text(found.get("step"))),
    ]
    if not view.examples:
        return facts(rows)
    pairs = [point for point in items(found.get("points")) if isinstance(point, (list, tuple)) and len(point) == 2]
    try:
        points = [(float(date.fromisoformat(text(when)[:10]).toordinal()), finite(value)) for when, value in pairs]
        days = True
    except ValueError:
        points, days = [(float(index), finite(value)) for index, (_, value) in enumerate(pairs)], False
    drawing = line_chart(
        "The series", [Line("", thin(points, 900), "validation")], days=days, x_label="" if days else "position", size="full", height=220
    )
    return join([drawing, facts([("from", text(found.get("start"))), ("to", text(found.get("end"))), *rows])])


def overview(data: dict[str, Any], view: View) -> Markup:
    """Kind, size and parts of the data, and which task was told from them."""
    parts = as_table(data.get("parts"))
    sizes = ", ".join(f"{show(count(size))} {SPOKEN.get(part, part)}" for part, size in parts.items() if count(size) is not None)
    task = as_table(data.get("task"))
    targets = ", ".join(shorten(each, 40) for each in items(task.get("targets"))[:12])
    left_out = sum(1 for each in tables(data.get("columns")) if each.get("role") == "left-out")
    used = len(tables(data.get("columns"))) - left_out
    return facts(
        [
            ("kind", text(data.get("kind"))),
            ("examples", sizes),
            (term("target"), targets),
            (
                "columns",
                f"{show(used)} used" + (f", {show(left_out)} left out" if left_out else "")
                if tables(data.get("columns")) and _tabular(data)
                else None,
            ),
            ("fingerprint", tag("code", None, text(data.get("fingerprint"))[:16]) if data.get("fingerprint") else None),
            ("from", shorten(data.get("origin"), 100) if view.examples and data.get("origin") else None),
        ]
    )


def problem_list(data: dict[str, Any], view: View, *, filtered: bool = False) -> Markup:
    """What is wrong with the data, alike ones together; without examples only how many there are of each kind."""
    found = problems(data)
    levels = {level: sum(1 for each in found if each["level"] == level) for level in ("error", "warning", "note")}
    if not found:
        return tag("p", {"class": "good"}, "Nothing wrong was found.") if "problems" in data else Markup("")
    counted = ", ".join(plural(many, level) for level, many in levels.items() if many)
    if not view.examples:
        return tag("p", None, prose("{}. Their words are left out, as they name single examples; `sonde data` lists them.", counted))
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in found[:PROBLEMS_SHOWN]:
        groups.setdefault((text(each["level"]), _pattern(text(each.get("found")))), []).append(each)
    body = [_group(level, alike) for (level, _), alike in groups.items()]
    rest = len(found) - PROBLEMS_SHOWN
    more = tag("p", {"class": "note"}, f"and {show(rest)} more; `sonde data PATH --json` lists them all") if rest > 0 else None
    if not filtered:
        return join([tag("p", None, counted + "."), tag("div", {"class": "problems"}, body), more])
    choices = [("all", "all", len(found)), *[(level, f"{level}s", many) for level, many in levels.items() if many]]
    return tag("div", {"class": "filter"}, _chooser(choices), tag("div", {"class": "problems"}, body), more)


def _chooser(choices: Sequence[tuple[str, str, int]]) -> list[Markup]:
    """Buttons that need no script: radio buttons whose state the style reads."""
    parts: list[Markup] = []
    for key, word, many in choices:
        parts.append(
            tag("input", {"type": "radio", "name": "level", "id": f"level-{key}", "class": f"choose {key}", "checked": key == "all"})
        )
        parts.append(tag("label", {"for": f"level-{key}"}, f"{word} {show(many)}"))
    return parts


def _group(level: str, alike: Sequence[dict[str, Any]]) -> Markup:
    first = alike[0]
    words = {"error": "error", "warning": "warning", "note": "note"}
    chip = tag("span", {"class": f"chip {level}"}, words[level])
    remedy = tag("p", {"class": "remedy"}, coded(first.get("remedy"))) if first.get("remedy") else None
    if len(alike) == 1:
        place = tag("p", {"class": "place"}, shorten(first.get("where"), 200))
        return tag("article", {"class": f"problem {level}"}, chip, place, tag("p", {"class": "found"}, coded(first.get("found"))), remedy)
    rows = [
        tag("li", None, tag("span", {"class": "place"}, shorten(each.get("where"), 200)), " ", coded(each.get("found"), 200))
        for each in alike
    ]
    shown = tag("ul", None, rows[:PLACES_SHOWN])
    rest = (
        fold(f"{plural(len(rows) - PLACES_SHOWN, 'more place')}", tag("ul", None, rows[PLACES_SHOWN:]))
        if len(rows) > PLACES_SHOWN
        else None
    )
    head = tag("p", {"class": "found"}, f"{show(len(alike))} times: ", coded(first.get("found"), 300))
    return tag("article", {"class": f"problem {level}"}, chip, head, remedy, shown, rest)


def _pattern(found: str) -> str:
    """`found` without its quoted words and numbers, so that alike problems have the same one."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*", "*", found)[:200]


def notes(data: dict[str, Any], view: View) -> Markup:
    """What else is worth knowing about the data."""
    found = [coded(note) for note in items(data.get("notes")) if isinstance(note, str) and note]
    return tag("ul", {"class": "plain"}, [tag("li", None, note) for note in found[:40]]) if found and view.examples else Markup("")


def about(data: dict[str, Any], folder: Path, view: View) -> Markup:
    """All of it, for a run's report."""
    charts = balance(data, view)
    drawn = [
        overview(data, view) if data else None,
        pictures(data, folder, view),
        series(data, view),
        tag("div", {"class": "grid"}, charts) if charts else None,
        columns(data, view),
        notes(data, view),
    ]
    return join(drawn)
