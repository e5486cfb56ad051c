"""Tags of tokens as numbers. Fitted on the training part: its tags, `O` first, then in the order of letters."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl

from sonde.data.split import Selection
from sonde.errors import Problem

_SPAN = re.compile(r"^(O|[BIESLU]-\S+)$")


def fit_tags(train: Selection, column: str, *, length: int) -> dict[str, Any]:
    """The values of the fitted target (data/prepare/target.py). `length`: tokens of a sentence that are read."""
    counted = train.examples.frame[column].gather(train.index).explode().drop_nulls().alias("tag").value_counts(name="count")
    counts = dict(counted.iter_rows())
    classes = sorted(counts, key=lambda tag: (tag != "O", tag))
    spans = all(_SPAN.match(tag) for tag in classes)
    return {"kind": "tags", "columns": [column], "classes": classes, "counts": [counts[tag] for tag in classes], "length": length, "spans": spans}


def encode_tags(values: pl.Series, table: dict[str, Any], *, lines: np.ndarray | None) -> tuple[np.ndarray, list[Problem]]:
    """int64 (row, length) numbers of tags, NO_TARGET after each sentence's end; tags that the training part does not have are problems."""
    from sonde.ops.losses import NO_TARGET  # late: what is wrong with data is told before PyTorch is loaded

    lengths = values.list.len().to_numpy().astype(np.int64)
    codes = values.explode().cast(pl.Enum(table["classes"]), strict=False).to_physical().cast(pl.Int64).fill_null(NO_TARGET).to_numpy()
    row = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(codes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    out = np.full((len(lengths), table["length"]), NO_TARGET, dtype=np.int64)
    inside = place < table["length"]
    out[row[inside], place[inside]] = codes[inside]
    problems = []
    for unknown in np.flatnonzero(codes == NO_TARGET):
        example = int(row[unknown])
        tag = values[example][int(place[unknown])]
        line = (example + 2 if lines is None else int(lines[example])) + int(place[unknown])
        found = f"the tag {tag!r} does not occur in the training part"
        problems.append(Problem("error", f"line {line}", found, "mend the tag, or add such examples to the training part", example))
    return out, problems
