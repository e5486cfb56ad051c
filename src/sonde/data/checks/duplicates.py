"""Examples that stand in the data more than once, within a part or in two of them.

Rows are compared by a 64-bit hash of the columns that are used (identifiers aside): among a million different rows the
chance of one false match is 3 in 10⁸. Pictures are compared by a hash of their pixels or bytes (pictures.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sonde.data.checks.subject import Level, Rows, Subject, count, verb
from sonde.data.contents import Part
from sonde.errors import Problem

ALL_ROWS = 200_000  # compared when training starts; of larger tables a sample, unless all were asked for
SAMPLE = 20_000
NOTEWORTHY = 0.01  # share of examples from which the problem is a warning, else a note
SHOWN = 3  # pairs named
CANDIDATES = 1_000_000  # training rows hashed to look a sample up, at most

REPEATED = "delete the copies, unless they are different cases that look alike"
BOTH = "delete the copies, or keep them on one side with --group COLUMN: results on them are too good"


@dataclass(frozen=True)
class Groups:
    """Equal keys gathered: `order` are rows sorted by key, group i is `order[starts[i]:ends[i]]`, each of two rows or more."""

    order: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    @property
    def extra(self) -> int:
        """How many rows repeat an earlier one."""
        return int((self.ends - self.starts - 1).sum())


def gather(keys: np.ndarray) -> Groups:
    """The groups of equal keys, rows in file order inside each, groups by their first row."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])) if len(keys) else np.zeros(1, dtype=np.int64)
    starts, ends = edges[:-1], edges[1:]
    many = ends - starts > 1
    starts, ends = starts[many], ends[many]
    by_row = np.argsort(order[starts], kind="stable")
    return Groups(order, starts[by_row], ends[by_row])


def check(subject: Subject) -> list[Problem]:
    """Repeated rows, rows with different targets, and rows that stand in two parts."""
    inputs = [column.name for column in subject.features]
    if subject.content.kind in ("images", "series") or not inputs or not len(subject.train):
        return []
    if len(subject.train) > ALL_ROWS and not subject.deep:
        return _sampled(subject, inputs)
    keys = _keys(subject, inputs)
    train = next(part for part, rows in subject.parts.items() if rows is subject.train)
    problems = []
    if train in keys:
        targets = [name for name in subject.targets if name in subject.train.examples.frame.columns]
        known = _with_targets(subject, keys[train], targets)
        problems += repeated(subject, known)
        if targets and subject.content.kind != "pairs":  # a sentence may have several translations
            problems += conflicting(subject, keys[train], known)
        for part, rows in subject.held_out.items():
            if part in keys:
                problems += in_both(subject, rows, keys[part], subject.train, keys[train])
        if "validation" in keys and "test" in keys:
            problems += in_both(subject, subject.parts["test"], keys["test"], subject.parts["validation"], keys["validation"])
    return problems


def _keys(subject: Subject, names: list[str]) -> dict[Part, np.ndarray]:
    """The hash of each row of each part that has all the columns; rows drawn from one table are hashed together."""
    whole: dict[int, np.ndarray] = {}
    keys: dict[Part, np.ndarray] = {}
    for part, rows in subject.parts.items():
        if set(names) <= set(rows.examples.frame.columns):
            place = id(rows.examples.frame)
            if place not in whole:
                whole[place] = hashes(Rows(part, rows.examples), names)
            keys[part] = whole[place] if rows.index is None else whole[place][rows.index]
    return keys


def hashes(rows: Rows, names: list[str], chosen: np.ndarray | None = None) -> np.ndarray:
    """A uint64 for each row: equal for rows with equal values in the columns `names`."""
    frame = rows.frame(names, chosen)
    return frame.with_columns(pl.selectors.float().fill_nan(None)).hash_rows(seed=0).to_numpy()


def _with_targets(subject: Subject, keys: np.ndarray, targets: list[str]) -> np.ndarray:
    """Keys over inputs and targets together."""
    if not targets:
        return keys
    return pl.DataFrame({"inputs": keys, "targets": hashes(subject.train, targets)}).hash_rows(seed=1).to_numpy()


def by_chance(subject: Subject) -> float:
    """The share of rows that have a twin if columns are independent: large where few columns have few values.

    Two rows that are no copies agree in a column with probability Σ c(c − 1) / n(n − 1) over the counts c of its values.
    """
    different = pl.DataFrame([column.values for column in subject.features]).unique()
    rows, agree = different.height, 1.0
    for values in different.get_columns():
        counts = values.alias("value").value_counts(name="count")["count"].cast(pl.Float64)
        agree *= float((counts * (counts - 1)).sum()) / max(1.0, rows * (rows - 1.0))
    return 1 - float(np.exp(-agree * len(subject.train)))


def repeated(subject: Subject, keys: np.ndarray) -> list[Problem]:
    """Rows that stand in the training part more than once, target included."""
    groups = gather(keys)
    if not groups.extra:
        return []
    said = f"{count(groups.extra, 'row')} of {len(keys):,} {verb(groups.extra, 'repeats', 'repeat')} an earlier one exactly"
    said += f", identifiers aside ({_pairs(subject, groups)})"
    return _problem(subject, subject.train, groups.extra, len(keys), said, REPEATED)


def conflicting(subject: Subject, inputs: np.ndarray, known: np.ndarray) -> list[Problem]:
    """Rows with the same inputs and different targets: no model can get both right."""
    groups = gather(inputs)
    if not len(groups.starts):
        return []
    sizes = groups.ends - groups.starts
    begins = np.cumsum(sizes) - sizes
    members = groups.order[np.repeat(groups.starts - begins, sizes) + np.arange(sizes.sum())]
    other = known[members] != np.repeat(known[groups.order[groups.starts]], sizes)  # than the first of its group
    different = np.flatnonzero(np.logical_or.reduceat(other, begins))
    if not len(different):
        return []
    kept = Groups(groups.order, groups.starts[different], groups.ends[different])
    rows = int((kept.ends - kept.starts).sum())
    said = f"{rows:,} rows have the inputs of another row but a different target ({_pairs(subject, kept)})"
    remedy = "correct the wrong ones; where both are right, no model can tell them apart by these columns"
    return _problem(subject, subject.train, rows, len(inputs), said, remedy)


def in_both(subject: Subject, rows: Rows, keys: np.ndarray, others: Rows, other_keys: np.ndarray) -> list[Problem]:
    """Rows of one part that stand in an earlier part too: what is measured on them is remembered, not learned."""
    ordered = np.sort(other_keys)
    place = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    again = np.flatnonzero(ordered[place] == keys) if len(ordered) else place[:0]
    if not len(again):
        return []
    pairs = []
    for row in again[:SHOWN]:
        twin = int(np.flatnonzero(other_keys == keys[row])[0])
        pairs.append(f"{subject.place(rows, int(row))} as {subject.place(others, twin)}")
    more = f" and {len(again) - SHOWN:,} more" if len(again) > SHOWN else ""
    said = f"{count(len(again), 'row')} of {len(keys):,} in the {rows.part} part {verb(len(again), 'stands', 'stand')} in the {others.part} part too"
    said += f" ({', '.join(pairs)}{more})"
    return _problem(subject, rows, len(again), len(keys), said, BOTH)


def _problem(subject: Subject, rows: Rows, number: int, total: int, said: str, remedy: str) -> list[Problem]:
    """The problem that `number` of `total` rows are copies; none where chance alone gives half as many."""
    if number <= 2 * by_chance(subject) * total:
        return []
    level: Level = "warning" if number >= NOTEWORTHY * total else "note"
    return [Problem(level, subject.where(rows), said, remedy)]


def _pairs(subject: Subject, groups: Groups) -> str:
    """The first groups in words."""
    shown = [
        subject.places(subject.train, groups.order[start:end])
        for start, end in zip(groups.starts[:SHOWN], groups.ends[:SHOWN], strict=True)
    ]
    more = f"; {len(groups.starts) - SHOWN:,} more groups" if len(groups.starts) > SHOWN else ""
    return "; ".join(shown) + more


def _sampled(subject: Subject, inputs: list[str]) -> list[Problem]:
    """The same for a table of many million rows, from some rows of each part looked up among all training rows."""
    problems = []
    for rows in subject.parts.values():
        if not set(inputs) <= set(rows.examples.frame.columns) or rows.part == "all":
            continue
        chosen = np.unique(np.random.default_rng(1).integers(0, len(rows), min(SAMPLE, len(rows))))
        keys = hashes(rows, inputs, chosen)
        same = rows is subject.train
        found = _looked_up(subject, inputs, rows.frame(inputs, chosen), keys, fewest=2 if same else 1)
        if found is None or not found.any():
            continue
        share = f"{int(found.sum()):,} of {len(keys):,} sampled rows of the {rows.part} part"
        example = subject.places(rows, chosen[found], limit=SHOWN)
        if same:
            said = f"{share} stand there more than once ({example})"
            problems += _problem(subject, rows, int(found.sum()), len(keys), said, REPEATED)
        else:
            said = f"{share} stand in the training part too ({example})"
            problems += _problem(subject, rows, int(found.sum()), len(keys), said, BOTH)
    return problems


def _looked_up(subject: Subject, inputs: list[str], sample: pl.DataFrame, keys: np.ndarray, *, fewest: int) -> np.ndarray | None:
    """Which sampled rows occur at least `fewest` times in the training part; None where too many rows resemble them.

    Only training rows that share the sample's values in the most telling column are hashed.
    """
    distinct = {column.name: column.distinct for column in subject.features}
    telling = max(inputs, key=lambda name: distinct[name])
    values = subject.train.column(telling)
    candidates = values.is_in(sample[telling].unique().implode(), nulls_equal=True).arg_true().to_numpy()
    if len(candidates) > CANDIDATES:
        return None
    there, times = np.unique(hashes(subject.train, inputs, candidates), return_counts=True)
    enough = there[times >= fewest]
    return np.isin(keys, enough)
