"""What a user can get wrong: each error says what, where, and what to do.

The command line prints `str(error)` and leaves with `exit_code`; a traceback appears only with `--debug`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


class SondeError(Exception):
    """Base of every error that a user can mend.

    `what` is a full sentence that names the value received, `where` the file (and row, column, key or offset),
    `remedy` one thing to do about it.
    """

    exit_code: int = 2

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(what)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  → {self.remedy}" if self.remedy else head


class UsageError(SondeError):
    """A flag, command or argument that does not exist or does not fit."""


class RecipeError(SondeError):
    """A recipe key or value that is unknown or out of range."""


class RunError(SondeError):
    """A run folder that is missing, damaged, in use or of a newer format."""


class DeviceError(SondeError):
    """A device or precision that this machine does not have."""


class TrainingError(SondeError):
    """Training that cannot go on: NaN, a diverging loss, no room on the disk."""


class Interrupted(SondeError):
    """Someone asked to stop; what was trained so far is saved."""

    exit_code = 130


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the data.

    `where` names file and row or offset and column; `found` what stands there; `remedy` what to do. An `error` stops
    training before its first step (an error with `example` set is left out instead under `--on-error skip`), a
    `warning` does not, a `note` is worth knowing. `example` is the row number in `Examples` that it concerns.
    """

    level: Literal["error", "warning", "note"]
    where: str
    found: str
    remedy: str
    example: int | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.found}\n  → {self.remedy}"


class DataError(SondeError):
    """Data that cannot be read or trained on: lists every problem found, the first ten in full."""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        first = self.problems[0]
        super().__init__(first.found, where=first.where, remedy=first.remedy)

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:10]]
        if len(self.problems) > 10:
            shown.append(f"… and {len(self.problems) - 10} more problems (`sonde data PATH` lists them all)")
        return "\n".join(shown)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of `names`, or None where nothing is near."""
    found = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest one, or the list of all."""
    names = list(names)
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else "known: " + ", ".join(names)
