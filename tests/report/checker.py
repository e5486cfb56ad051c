"""What a page must keep to: balanced tags, nothing from the network, links that lead somewhere, pictures with words."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

VOID = {"br", "hr", "img", "input", "meta", "link", "wbr"}
# A paragraph ends where one of these begins, whatever the source says.
ENDS_PARAGRAPH = {"p", "div", "ul", "ol", "dl", "table", "figure", "details", "section", "pre", "h1", "h2", "h3", "article", "header"}
PLACES = {"d", "x", "y", "cx", "cy", "x1", "x2", "y1", "y2", "width", "height", "r"}
HEADINGS = {"h1", "h2", "h3"}


class Page(HTMLParser):
    """A page, read strictly; `wrong` lists what is wrong with it."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.feed(source)
        self.close()
        if self.open:
            self.wrong.append(f"never closed: {self.open}")

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.append((tag, values))
        if len(values) != len(attributes):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag in ENDS_PARAGRAPH and "p" in self.open:
            self.wrong.append(f"<{tag}> inside a paragraph, line {self.getpos()[0]}")
        if "id" in values:
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.append(str(values.get("href")))
        if tag not in VOID:
            self.open.append(tag)
        if tag in HEADINGS:
            self.headings.append("")
        self._accessible(tag, values)
        for name, value in values.items():
            if name.startswith("on"):
                self.wrong.append(f"<{tag}> has a handler {name}")
            if name in ("src", "href", "xlink:href", "srcset", "action", "data") and not str(value).startswith(("data:", "#")):
                self.wrong.append(f"<{tag} {name}={value!r}> leaves the page")

    def _accessible(self, tag: str, values: dict[str, str | None]) -> None:
        if tag == "img" and not values.get("alt"):
            self.wrong.append("a picture without words")
        drawing = tag == "svg" and self.open.count("svg") == 1 and "aria-hidden" not in values
        if drawing and (values.get("role") != "img" or not values.get("aria-label")):
            self.wrong.append(f"a drawing without words: {values}")
        if tag in ("path", "rect", "circle", "line", "text"):
            numbers = " ".join(str(value) for name, value in values.items() if name in PLACES)
            if re.search(r"nan|inf|None|e[+-]\d", numbers):
                self.wrong.append(f"<{tag}> at no place: {numbers[:80]}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> closes {self.open[-3:]}, line {self.getpos()[0]}")
        elif self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)
        if any(tag in HEADINGS for tag in self.open):
            self.headings[-1] += data

    @property
    def text(self) -> str:
        """All words of the page."""
        return " ".join(self.words)

    def count(self, tag: str, **attributes: str) -> int:
        """How many elements there are with these attributes (`kind` is the class, given as one of its words)."""
        kind = attributes.pop("kind", None)
        return sum(
            name == tag
            and all(values.get(key) == value for key, value in attributes.items())
            and (kind is None or kind in str(values.get("class")).split())
            for name, values in self.tags
        )


def check(source: str | Path) -> Page:
    """Read a page and fail on anything that is wrong with it."""
    text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
    page = Page(text)
    lost = [link for link in page.links if link.startswith("#") and link[1:] not in page.ids]
    twice = sorted({each for each in page.ids if page.ids.count(each) > 1})
    assert not page.wrong, page.wrong[:5]
    assert not lost, f"links that lead nowhere: {lost[:5]}"
    assert not twice, f"ids used twice: {twice[:5]}"
    outside = re.findall(
        r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9.-]+\.[a-z]{2,}", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    )
    assert not outside, f"addresses of elsewhere: {outside[:5]}"
    for _, values in page.tags:
        if values.get("data-hover"):
            json.loads(str(values["data-hover"]))
    return page
