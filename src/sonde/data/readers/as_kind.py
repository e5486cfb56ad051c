"""New data in the form that a run learned from: lines as sentences to read, to translate or to tag; pictures with their sizes."""

from __future__ import annotations

import dataclasses
import re

import polars as pl

from sonde.data.contents import SCENES, Content, Examples, Kind
from sonde.data.readers.pictures import size_in
from sonde.data.readers.two_columns import to_labelled

# An address, a word with what joins its parts, or one mark.
_TOKEN = re.compile(r"https?://\S+|[@#]?\w+(?:[-.'’]\w+)*|[^\w\s]")


def as_kind(content: Content, kind: Kind) -> Content:
    """`content` as data of `kind` where that takes no answer that only a person knows; else as it is.

    Lines of text become sources to translate, or tokens to tag; a table of one column of text becomes text. Pictures become scenes without
    annotations: columns image, width and height.
    """
    if content.kind == "images" and kind in SCENES:
        return dataclasses.replace(content, kind=kind, parts={part: _sized(examples) for part, examples in content.parts.items()}, target=None)
    if content.kind == "table" and kind == "text":
        words = [name for name, dtype in content.examples.frame.schema.items() if dtype == pl.String]
        return to_labelled(content, text=words[0], target=None) if len(words) == 1 else content
    if content.kind == "table" and kind in ("pairs", "tagged") and content.examples.frame.columns == ["text"]:
        content = to_labelled(content, text="text", target=None)
    if content.kind != "text" or kind not in ("pairs", "tagged"):
        return content
    parts = {part: _sentences(examples, kind) for part, examples in content.parts.items()}
    return dataclasses.replace(content, kind=kind, parts=parts, target=None)


def tokens_of(text: str) -> list[str]:
    """The words and marks of a text, about as tagged sets cut them."""
    return _TOKEN.findall(text)


def _sized(examples: Examples) -> Examples:
    """The pictures with their width and height; 0 where they cannot be told."""
    pictures = examples.pictures
    assert pictures is not None
    sizes = [size_in(pictures, row) for row in range(len(examples))]
    frame = pl.DataFrame(
        {"image": examples.frame["image"], "width": [width for width, _ in sizes], "height": [height for _, height in sizes]},
        schema_overrides={"width": pl.Int64, "height": pl.Int64},
    )
    return dataclasses.replace(examples, frame=frame)


def _sentences(examples: Examples, kind: Kind) -> Examples:
    values = examples.frame["text"].str.strip_chars()
    if kind == "pairs":
        return Examples(pl.DataFrame({"source": values}), lines=examples.lines)
    tokens = [tokens_of(text) for text in values.to_list()]
    return Examples(pl.DataFrame({"tokens": pl.Series(tokens, dtype=pl.List(pl.String))}), lines=examples.lines)
