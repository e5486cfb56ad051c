"""The confusion matrix: a table of numbers up to a dozen classes, a map up to sixty, the commonest confusions beyond."""

from __future__ import annotations

from collections.abc import Sequence

from sonde.report.html import Markup, figure, fold, join, name, shorten, table, tag, term
from sonde.report.numbers import Real, percent, plural, show
from sonde.report.svg import number

NUMBERED = 12
MAPPED = 60


def confusion(classes: Sequence[str], counts: Sequence[Sequence[Real]], *, title: str = "Confusion matrix") -> Markup:
    """How often each true class (row) was given each prediction (column)."""
    size = len(classes)
    if size < 2 or len(counts) != size or any(len(row) != size for row in counts):
        return Markup("")
    if size <= NUMBERED:
        return join([_numbered(classes, counts, title)])
    drawing = _map(classes, counts, title) if size <= MAPPED else None
    return join([drawing, commonest(classes, counts), hardest(classes, counts)])


def _numbered(classes: Sequence[str], counts: Sequence[Sequence[Real]], title: str) -> Markup:
    corner = tag("td", {"class": "corner"}, tag("span", None, "true ↓"), " ", tag("span", None, "predicted →"))
    head = [tag("th", {"scope": "col"}, tag("span", None, name(label, 18))) for label in classes]
    body = []
    for row, label in enumerate(classes):
        total = sum(counts[row])
        cells = []
        for column, other in enumerate(classes):
            many = counts[row][column]
            part = many / total if total else 0.0
            said = f"true {shorten(label, 40)}, predicted {shorten(other, 40)}: {show(many)} of {show(total)}, {percent(part)}"
            kind = ("right" if row == column else "wrong") + (" deep" if part > 0.55 else "") + ("" if many else " none")
            cells.append(
                tag("td", {"class": kind, "style": f"--share:{number(0.08 + 0.92 * part) if many else 0}", "title": said}, show(many))
            )
        body.append(
            tag(
                "tr",
                None,
                tag("th", {"scope": "row"}, name(label, 18)),
                cells,
                tag("td", {"class": "recall"}, percent(counts[row][row] / total, 0) if total else "–"),
            )
        )
    found = tag(
        "th",
        {"scope": "col", "class": "recall", "title": "recall: the share of each true class that was found"},
        tag("span", None, "found"),
    )
    inner = tag(
        "table",
        {"class": "matrix long" if max(map(len, classes)) > 5 else "matrix"},
        tag("caption", {"class": "hidden"}, title),
        tag("thead", None, tag("tr", None, corner, head, found)),
        tag("tbody", None, body),
    )
    scroll = tag("div", {"class": "scroll", "tabindex": "0", "role": "group", "aria-label": title}, inner)
    return figure(
        title,
        scroll,
        note="Each row is one true class; the numbers say what it was taken for. Blue is right, orange is wrong; the deeper, the larger the share of the row.",
    )


def _map(classes: Sequence[str], counts: Sequence[Sequence[Real]], title: str) -> Markup:
    size = len(classes)
    cells = []
    for row in range(size):
        total = sum(counts[row])
        for column in range(size):
            many = counts[row][column]
            if many <= 0 or total <= 0:
                continue
            said = f"true {shorten(classes[row], 30)}, predicted {shorten(classes[column], 30)}: {show(many)} of {show(total)}"
            box = {
                "class": f"fill {'validation' if row == column else 'test'}",
                "x": str(column),
                "y": str(row),
                "width": "1",
                "height": "1",
                "fill-opacity": number(0.12 + 0.88 * many / total),
            }
            cells.append(tag("rect", box, tag("title", None, said)))
    right = sum(counts[index][index] for index in range(size))
    said = f"{size} classes; {show(right)} of {show(sum(map(sum, counts)))} examples lie on the diagonal, that is, are right"
    attributes = {"class": "map", "role": "img", "aria-label": f"{title}. {said}", "viewBox": f"-0.1 -0.1 {size + 0.2:g} {size + 0.2:g}"}
    ground = tag("rect", {"class": "ground", "x": "0", "y": "0", "width": str(size), "height": str(size)})
    drawing = tag("svg", attributes, tag("title", None, title), tag("desc", None, said), ground, cells)
    return figure(
        title,
        drawing,
        note="Rows are true classes, columns are predictions, both in the same order. "
        "A perfect model colours the diagonal alone; anything orange is a mistake.",
    )


def commonest(classes: Sequence[str], counts: Sequence[Sequence[Real]], limit: int = 12) -> Markup:
    """The pairs of classes that are mixed up most often."""
    pairs = [(many, row, column) for row, line in enumerate(counts) for column, many in enumerate(line) if row != column and many > 0]
    if not pairs:
        return Markup("")
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    rows = [
        (name(classes[row], 40), name(classes[column], 40), show(many), percent(many / sum(counts[row])))
        for many, row, column in pairs[:limit]
    ]
    inner = table(["true", "taken for", "times", "of that class"], rows, numbers=(2, 3))
    rest = (
        f"{plural(len(pairs), 'pair')} of classes mixed up at least once; the {len(rows)} commonest are shown."
        if len(pairs) > limit
        else None
    )
    return figure("Most often mixed up", inner, note=rest)


def hardest(classes: Sequence[str], counts: Sequence[Sequence[Real]], limit: int = 12) -> Markup:
    """The classes that are found least often."""
    found = [(counts[row][row] / sum(line), row) for row, line in enumerate(counts) if sum(line) > 0]
    worst = [pair for pair in sorted(found) if pair[0] < 1][:limit]
    if not worst:
        return Markup("")
    rows = [(name(classes[row], 40), percent(part), f"{show(counts[row][row])} of {show(sum(counts[row]))}") for part, row in worst]
    return figure("Hardest classes", table(["class", "found", "examples"], rows, numbers=(1, 2)))


def class_by_class(classes: Sequence[str], counts: Sequence[Sequence[Real]], limit: int = 20) -> Markup:
    """Examples, recall, precision and F1 of every class, the smallest F1 first; more than `limit` of them on demand."""
    size = len(classes)
    if size < 2 or len(counts) != size or any(len(row) != size for row in counts):
        return Markup("")
    scored = sorted((*_scores(counts, row), row) for row in range(size))
    rows = []
    for f1, recall, precision, row in scored:
        given = sum(line[row] for line in counts)
        shares = [percent(recall) if sum(counts[row]) else "–", percent(precision) if given else "–", f"{f1:.3f}"]
        rows.append((name(classes[row], 40), show(sum(counts[row])), show(given), *shares))
    head = ["class", "examples", "answers", term("recall"), term("precision"), term("F1", "f1")]
    first = table(head, rows[:limit], numbers=range(1, 6))
    return join([first, fold(f"The other {size - limit} classes", table(head, rows[limit:], numbers=range(1, 6))) if size > limit else None])


def _scores(counts: Sequence[Sequence[Real]], row: int) -> tuple[float, float, float]:
    """F1, recall and precision of one class; 0 where nothing belongs to it, or nothing was given to it."""
    hits, there, given = counts[row][row], sum(counts[row]), sum(line[row] for line in counts)
    recall, precision = hits / there if there else 0.0, hits / given if given else 0.0
    return 2 * hits / (there + given) if there + given else 0.0, recall, precision
