"""The page around the sections: head, style, contents, glossary; and writing it whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sonde.errors import RunError
from sonde.report.glossary import GLOSSARY
from sonde.report.html import Markup, join, prose, tag


@dataclass(frozen=True)
class Block:
    """One section of a page: where its link leads, its heading, what one is looking at, and the drawing."""

    key: str
    title: str
    explains: Markup
    body: Markup


def page(title: str, kind: str, head: Markup, blocks: Sequence[Block], *, foot: object = None) -> str:
    """A whole page, self-contained: style and script stand in it, and it asks the network for nothing."""
    shown = [block for block in blocks if block.body]
    sections = [
        tag(
            "section",
            {"id": block.key, "aria-labelledby": f"{block.key}-title"},
            tag("h2", {"id": f"{block.key}-title"}, block.title),
            tag("p", {"class": "explains"}, block.explains) if block.explains else None,
            block.body,
        )
        for block in shown
    ]
    written = join([head, sections])
    words = _glossary(written)
    if words:
        sections.append(
            tag("section", {"id": "glossary", "aria-labelledby": "glossary-title"}, tag("h2", {"id": "glossary-title"}, "Glossary"), words)
        )
    links = [(block.key, block.title) for block in shown] + ([("glossary", "Glossary")] if words else [])
    contents = tag(
        "nav",
        {"class": "contents", "aria-label": "on this page"},
        tag("ol", None, [tag("li", None, tag("a", {"href": f"#{key}"}, word)) for key, word in links]),
    )
    over = tag("div", {"class": "over"}, tag("span", None, f"Sonde · {kind}"))
    main = tag("main", None, over, tag("header", None, head), sections, tag("footer", None, foot) if foot else None)
    body = tag("body", None, tag("div", {"class": "page with-contents"}, contents, main), tag("script", None, _resource("script.js")))
    meta = [
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag(
            "meta",
            {
                "http-equiv": "Content-Security-Policy",
                "content": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
            },
        ),
        tag("link", {"rel": "icon", "href": "data:,"}),
        tag("title", None, title),
        tag("style", None, _resource("style.css")),
    ]
    return "<!doctype html>\n" + tag("html", {"lang": "en"}, tag("head", None, meta), body) + "\n"


def _resource(file: str) -> Markup:
    return Markup(files("sonde.report").joinpath(file).read_text(encoding="utf-8"))


def _glossary(written: str) -> Markup:
    """The words that the page uses."""
    used = set(re.findall(r'class="term" href="#term-([a-z0-9-]+)"', written))
    rows = [
        tag("div", {"id": f"term-{key.replace(' ', '-')}"}, tag("dt", None, key), tag("dd", None, said))
        for key, said in GLOSSARY.items()
        if key.replace(" ", "-") in used
    ]
    return tag("dl", {"class": "glossary"}, rows) if rows else Markup("")


def save(out: Path, written: str) -> Path:
    """Write beside, then rename, so that nobody ever reads half a page.

    Raises:
        RunError: the place cannot be written to.
    """
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(written, encoding="utf-8", newline="\n")
        os.replace(beside, out)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise RunError(
            f"the page could not be written: {error.strerror or error}",
            where=str(out),
            remedy="name another place with --out, or make room",
        ) from None
    return out


def left_out(wanted: Sequence[str]) -> Markup | None:
    """A line on what could not be drawn, so that a gap is never silent."""
    return (
        tag("p", None, prose("Left out, as the files of the run hold something unexpected there: {}.", ", ".join(wanted)))
        if wanted
        else None
    )
