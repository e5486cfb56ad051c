"""Labels of an old classifier and of a new one: which rows of weights can be kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sonde.errors import RecipeError

_SHOWN = 5


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels in the order of the outputs: a label a line, or JSON: a list, or a table from the output's number to its label.

    Where an entry is itself a list, as in ["n01440764", "tench"], its last name counts. Raises RecipeError for other files.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = f"these labels cannot be read: {error.strerror if isinstance(error, OSError) else 'this is not UTF-8 text'}"
        raise RecipeError(what, where=str(path), remedy="give a text file with the old labels, one a line, or auto") from None
    if not text.lstrip().startswith(("[", "{")):
        return tuple(line.strip() for line in text.strip().splitlines())
    try:
        table = json.loads(text)
        entries = [table[str(number)] for number in range(len(table))] if isinstance(table, dict) else list(table)
        return tuple(str(entry[-1] if isinstance(entry, list) else entry) for entry in entries)
    except (ValueError, KeyError, IndexError, TypeError):
        what = "this is neither a list of labels nor a table from 0, 1, 2, … to labels"
        raise RecipeError(what, where=str(path), remedy="give a text file with the old labels, one a line") from None


def shared_rows(old: Sequence[str], new: Sequence[str], *, where: str) -> dict[int, int]:
    """New output → old output, for the labels that both have; case, blanks, hyphens and underscores do not count.

    Raises RecipeError that shows some of both where they share none.
    """
    exact = {name: number for number, name in reversed(list(enumerate(old)))}
    loose = {_loosely(name): number for number, name in reversed(list(enumerate(old)))}
    rows = {}
    for number, name in enumerate(new):
        found = exact.get(name, loose.get(_loosely(name)))
        if found is not None:
            rows[number] = found
    if not rows:
        what = f"the old and the new labels have none in common: old {_some(old)}; new {_some(new)}"
        raise RecipeError(what, where=where, remedy="leave out --keep-labels, or give the old labels by the names that the data use")
    return rows


def _loosely(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
