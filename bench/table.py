"""What a benchmark prints: one row a claim, with what was measured, its spread, what is required and whether it is reached."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.timing import quartiles


@dataclass(frozen=True)
class Options:
    """How to run.

    `quick`: the smallest sizes that still go through every line, numbers worthless; `peers`: the interpreter of their
    environment; of a race `rounds`, `examples` an epoch, and whether only the `eager` forms run; `runs`: what the
    benchmark's own commands trained before.
    """

    quick: bool = False
    peers: str | None = None
    rounds: int | None = None
    examples: int | None = None
    eager: bool = False
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One claim: several measurements of one thing.

    `centre` is "median" (times, speeds, ratios; the spread is the quartiles) or "mean" (scores over seeds; the spread is the
    sample standard deviation). At most one of `at_least` and `at_most` is given; without either the row is for comparison.
    """

    what: str
    values: Sequence[float]
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    centre: str = "median"
    digits: int = 3

    @property
    def value(self) -> float:
        """The one number that is compared with what is required."""
        return statistics.fmean(self.values) if self.centre == "mean" else statistics.median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the requirement holds; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def cells(self) -> list[str]:
        """The row as text: what, measured, spread, required, reached."""
        if len(self.values) < 2:
            around = "one run"
        elif self.centre == "mean":
            around = f"± {self._text(statistics.stdev(self.values))} ({len(self.values)} runs)"
        else:
            low, high = quartiles(self.values)
            around = f"{self._text(low)} … {self._text(high)} ({len(self.values)} turns)"
        required = ""
        if self.at_least is not None:
            required = f"≥ {self._text(self.at_least)}"
        elif self.at_most is not None:
            required = f"≤ {self._text(self.at_most)}"
        reached = {True: "yes", False: "**no**", None: ""}[self.reached]
        return [self.what, f"{self._text(self.value)} {self.unit}".strip(), around, required, reached]

    def _text(self, value: float) -> str:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{self.digits}g}" if self.digits < 4 else f"{value:.{self.digits}f}"


def show(title: str, rows: Sequence[Row], *, notes: Sequence[str] = ()) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n\n| what | measured | spread | required | reached |\n| --- | ---: | --- | ---: | --- |")
    for row in rows:
        print("| " + " | ".join(row.cells()) + " |")
    for note in notes:
        print(f"\n{note}")
    sys.stdout.flush()


Measure = Callable[[Options], list[Row]]


def main(title: str, measure: Measure) -> None:
    """The command line of one benchmark; leaves with 1 when a requirement is missed (not under --quick)."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="smallest sizes, to see that it runs; the numbers are worthless")
    parser.add_argument("--peers", help="Python interpreter of the peers' environment")
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument("--examples", type=int, help="examples an epoch in a race (default: a whole epoch)")
    parser.add_argument("--eager", action="store_true", help="leave the compiled forms of a race out")
    parser.add_argument("--run", action="append", default=[], help="a run that the benchmark's own command trained before, instead of training it")
    given = parser.parse_args()
    started = time.monotonic()
    rows = measure(Options(given.quick, given.peers, given.rounds, given.examples, given.eager, tuple(given.run)))
    if given.quick:
        rows = [replace(row, at_least=None, at_most=None) for row in rows]
    took = f"{time.monotonic() - started:,.0f} s{', quick: the numbers mean nothing' if given.quick else ''}"
    size = f"; {given.examples:,} examples an epoch" if given.examples else ""
    show(title, rows, notes=[f"({took}{size}{'; eager forms alone' if given.eager else ''})"])
    sys.exit(int(any(row.reached is False for row in rows)))
