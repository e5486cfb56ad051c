"""What a command answers, and how it is printed: for people as text, for scripts as one JSON document."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A command's result: `text` is printed for people, `document` with `--json`, and `code` is the exit code."""

    document: Mapping[str, Any]
    text: str
    json: bool = False
    code: int = 0

    def write(self) -> None:
        """Print to standard output; of several processes only the first does."""
        if first_process():
            text = encode(self.document) if self.json else self.text
            sys.stdout.write(text if not text or text.endswith("\n") else text + "\n")


def first_process() -> bool:
    """False in all but the first of several processes (torchrun sets RANK)."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str, *, quiet: bool = False) -> None:
    """A line for people on standard error, at once."""
    if not quiet and first_process():
        print(text, file=sys.stderr, flush=True)


def encode(value: Any, *, indent: int | None = 2) -> str:
    """`value` as strict JSON: paths and dates become text, NaN and infinities null."""
    return json.dumps(plain(value), ensure_ascii=False, indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """`value` made of what JSON knows."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    return str(value)


def number(value: Any, *, digits: int = 4) -> str:
    """A number as people read it: 0.9815, 50,312, 1.2e-07; a dash for none."""
    if value is None or isinstance(value, bool):
        return "–" if value is None else ("yes" if value else "no")
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size != 0 and size < 10.0**-digits:
        return f"{value:.2e}"
    return f"{value:.{digits if size < 10 else 2}f}"


def table(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> str:
    """Rows under their headings, numbers to the right, two blanks between columns."""
    cells = [[number(value) if isinstance(value, (int, float)) or value is None else str(value) for value in row] for row in rows]
    right = [all(isinstance(row[i], (int, float, type(None))) for row in rows) and bool(rows) for i in range(len(columns))]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]

    def line(texts: Sequence[str]) -> str:
        return "  ".join(
            text.rjust(width) if to_right else text.ljust(width) for text, width, to_right in zip(texts, widths, right, strict=True)
        ).rstrip()

    return "\n".join([line(list(columns)), *(line(row) for row in cells)])


def duration(seconds: float) -> str:
    """Seconds as people say them: 0.8 s, 42 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
