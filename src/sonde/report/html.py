"""HTML that is escaped unless it says otherwise, and the small pieces that every page is built from."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from sonde.report.glossary import GLOSSARY

_VOID = {"br", "hr", "img", "input", "meta", "link", "wbr"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MARKS = re.compile(r"\[([A-Za-z][A-Za-z -]*)(?:\|([a-z0-9 -]+))?\]|`([^`]+)`|\*\*([^*]+)\*\*")


class Markup(str):
    """Text that is HTML already. Any other text is escaped when it becomes part of a page."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """`value` as HTML text, also safe inside a quoted attribute; characters that no page may hold become �."""
    if isinstance(value, Markup):
        return value
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return Markup(html.escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text), quote=True))


def join(children: Iterable[object]) -> Markup:
    """Children one after the other: None left out, lists flattened, text escaped."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, (list, tuple)):
            parts.append(join(child))
        else:
            parts.append(escape(child))
    return Markup("".join(parts))


def tag(name: str, attributes: Mapping[str, object] | None = None, *children: object) -> Markup:
    """One element. Attributes that are None or False are left out, True stands alone (`open`)."""
    head = [name]
    for key, value in (attributes or {}).items():
        if value is True:
            head.append(key)
        elif value is not None and value is not False:
            head.append(f'{key}="{_attribute(value)}"')
    opening = f"<{' '.join(head)}>"
    return Markup(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


def _attribute(value: object) -> str:
    # Markup in an attribute is text like any other: it must not bring its own quotes and angle brackets.
    return escape(str.__str__(value)) if isinstance(value, str) else escape(value)


def prose(template: str, *values: object) -> Markup:
    """A sentence: `[epoch]` links to the glossary (`[epochs|epoch]` under another word), backticks are code, ** is strong.

    `values` fill `{}` in order, escaped and not read for marks, so that a name with brackets stays a name.
    """
    pieces = _marked(template).split("{}")
    if len(pieces) != len(values) + 1:
        raise ValueError(f"{len(pieces) - 1} places for {len(values)} values in {template!r}")
    filled = [escape(value) + piece for value, piece in zip(values, pieces[1:], strict=True)]
    return Markup("".join([pieces[0], *filled]))


def _marked(text: str) -> str:
    def mark(found: re.Match[str]) -> str:
        word, key, code, strong = found.groups()
        if code is not None:
            return f"<code>{code}</code>"
        if strong is not None:
            return f"<strong>{strong}</strong>"
        return term(word, key or word)

    return _MARKS.sub(mark, html.escape(text, quote=False))


def coded(text: object, length: int = 400) -> Markup:
    """A message as it is, shortened; what stands between backticks is code."""
    pieces = shorten(text, length).split("`")
    if len(pieces) % 2 == 0:
        return escape("`".join(pieces))
    return join([tag("code", None, piece) if index % 2 else piece for index, piece in enumerate(pieces)])


def term(word: str, key: str | None = None) -> Markup:
    """A word of the field, linked to its line in the glossary, which also shows when pointed at."""
    key = (key or word).lower()
    if key not in GLOSSARY:
        raise ValueError(f"the glossary has no {key!r}")
    return tag("a", {"class": "term", "href": f"#term-{key.replace(' ', '-')}", "title": GLOSSARY[key]}, word)


def shorten(text: object, length: int = 48) -> str:
    """`text` in at most `length` characters: the middle of a long name is left out, as both ends tell most."""
    text = str(text)
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def name(text: object, length: int = 48) -> Markup:
    """A name from the data: shortened, in full when pointed at."""
    whole = str(text)
    short = shorten(whole, length)
    return tag("span", {"class": "name", "title": shorten(whole, 400) if short != whole else None}, short)


def table(
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    caption: str | None = None,
    numbers: Sequence[int] = (),
    wide: bool = False,
) -> Markup:
    """A table whose first column heads its rows. Columns `numbers` are set flush right with tabular figures."""
    columns = set(numbers)

    def style(column: int) -> dict[str, object]:
        return {"class": "number" if column in columns else None}

    header = tag("tr", None, [tag("th", {"scope": "col", **style(i)}, cell) for i, cell in enumerate(head)])
    body = []
    for row in rows:
        cells = [tag("th", {"scope": "row", **style(0)}, row[0])]
        cells += [tag("td", style(i), cell) for i, cell in enumerate(row) if i > 0]
        body.append(tag("tr", None, cells))
    title = tag("caption", None, caption) if caption else None
    inner = tag("table", {"class": "wide" if wide else None}, title, tag("thead", None, header), tag("tbody", None, body))
    # A region that scrolls must be reachable from the keyboard and have a name.
    return tag("div", {"class": "scroll", "tabindex": "0", "role": "group", "aria-label": caption or "table"}, inner)


def figure(title: object, body: object, *, note: object = None, legend: object = None, size: str = "") -> Markup:
    """A drawing with its heading above and a line of explanation below."""
    return tag(
        "figure",
        {"class": f"figure {size}".strip()},
        tag("figcaption", None, tag("b", None, title), legend),
        body,
        tag("p", {"class": "note"}, note) if note else None,
    )


def fold(summary: object, *children: object, opened: bool = False) -> Markup:
    """Something that is shown on demand."""
    return tag("details", {"open": opened}, tag("summary", None, summary), children)


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Terms and values in two columns; pairs without a value are left out."""
    rows = [tag("div", None, tag("dt", None, key), tag("dd", None, value)) for key, value in pairs if value not in (None, "")]
    return tag("dl", {"class": "facts"}, rows)
