"""Which examples train, choose and measure: parts and folds that share no example and, with `--group`, no group.

A part's share is exact to the nearest example. Stratified parts hold each class in proportion; parts by time take the
latest rows for the test part and those before for validation; parts that the data name are obeyed, and what is lacking
is carved from the training part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, cast

import numpy as np
import polars as pl

from sonde import recipe
from sonde.data.contents import Content, Examples, Part
from sonde.data.prepare.dates import as_dates, date_format
from sonde.errors import DataError, Problem, RecipeError, did_you_mean

RUNNING = ("language-modelling", "word-vectors")  # tasks of running text, of which a part is a stretch
ORDERED = ("forecasting", *RUNNING)  # tasks whose examples stand in an order that a split keeps
PARTS = 3
SHARE = 0.15  # of all examples: the validation part, and the test part


@dataclass(frozen=True)
class Selection:
    """Some rows of `examples`: `index` int64, ascending."""

    examples: Examples
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.index)


def split(content: Content, data: recipe.Data, *, task: str, targets: tuple[str, ...], seed: int) -> dict[Part, Selection]:
    """The parts `train`, `validation` and `test`.

    `data.validation` and `data.test` are shares under 1, or numbers of examples from 1 up; the default is 0.15 each of
    data in one part, nothing with `data.folds` (what is held out then measures), and, where the data name their parts,
    0.15 of the training part for a validation part that is missing. A part is missing only if its share is 0 (or the
    data name parts and no test part). Rows without a target raise DataError, or are left out with `on_error` skip.
    """
    if content.kind == "pairs" and data.group is None and data.split in (None, "group"):
        data = data.model_copy(update={"group": "source"})  # a sentence that has several translations stands in one part
    if content.kind == "questions" and data.group is None and data.split in (None, "group"):
        data = data.model_copy(update={"group": _group_of(content.examples)})
    strategy = _strategy(content, data, task)
    rows = {part: _known(content, part, data, targets) for part in content.parts}
    parts: dict[Part, Selection] = {}
    if "all" in content.parts:
        whole, given = Selection(content.parts["all"], rows["all"]), False
    else:
        whole, given = Selection(content.parts["train"], rows["train"]), True
        parts = {part: Selection(content.parts[part], rows[part]) for part in ("validation", "test") if part in content.parts}
    default = 0.0 if data.folds else SHARE
    sizes = {
        "test": 0 if "test" in parts else _count(data.test, 0.0 if given else default, len(whole), "test"),
        "validation": 0 if "validation" in parts else _count(data.validation, default, len(whole), "validation"),
    }
    amounts, series = (sizes["test"], sizes["validation"]), content.kind == "series" or task in RUNNING
    cuts = _cut(whole, data, strategy, targets=targets, seed=seed, sizes=amounts, origin=content.origin, series=series)
    drawn: dict[Part, Selection] = {"train": Selection(whole.examples, cuts[2])}
    if data.examples is not None and data.examples < len(cuts[2]):
        drawn["train"] = Selection(whole.examples, _few(whole, cuts[2], data.examples, targets, stratified=strategy == "stratified", seed=seed))
    for part, index in (("validation", cuts[1]), ("test", cuts[0])):
        if len(index):
            drawn[cast(Part, part)] = Selection(whole.examples, index)
    drawn |= parts
    return {part: drawn[part] for part in cast(tuple[Part, ...], ("train", "validation", "test")) if part in drawn}


def _group_of(examples: Examples) -> str | None:
    """By what questions are held out together, so that nothing of an unseen text was read before: by article, where there are few by paragraph."""
    return next((name for name in ("title", "context") if examples.frame[name].n_unique() >= PARTS), None)


def folds(selection: Selection, data: recipe.Data, *, task: str, targets: tuple[str, ...], k: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """K pairs (kept, held out) of positions in `selection.index`, ascending.

    Every example is held out once: stratified by class for classification, whole groups with `data.group`. By time,
    fold i learns from all that lies before its held-out block, so the first of K + 1 blocks is never held out.
    """
    count = len(selection)
    if not 2 <= k <= count:
        raise RecipeError(f"{k} folds of {count} examples", where="--folds", remedy=f"give a number from 2 to {count}")
    generator = np.random.default_rng([seed, 1])
    if task in ORDERED or data.split == "time" or (data.split is None and data.time is not None):
        order = _time_order(selection, None if task in ORDERED else data.time, "the data")
        blocks = np.array_split(order, k + 1)
        return [(np.sort(np.concatenate(blocks[:i])), np.sort(blocks[i])) for i in range(1, k + 1)]
    if data.group is not None and data.split in (None, "group"):
        codes = _codes(selection, (data.group,))
        if int(codes.max()) + 1 < k:
            raise RecipeError(f"{k} folds of {int(codes.max()) + 1} groups in {data.group!r}", where="--folds", remedy="give at most as many folds as groups")
        number = _even_groups(codes, k, generator)[codes]
    else:
        number = np.empty(count, dtype=np.int64)
        stratified = task == "classification" and data.split in (None, "stratified", "given")
        order = generator.permutation(count)
        if stratified:
            codes = _codes(selection, targets)
            order = order[np.argsort(codes[order], kind="stable")]
        number[order] = np.arange(count) % k
    return [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(k)]


def place(examples: Examples, row: int) -> str:
    """An example in words: `line 12` of a file, or the picture's name."""
    return f"line {examples.line(row)}" if examples.pictures is None else examples.pictures.name(row)


def missing_targets(examples: Examples, targets: tuple[str, ...]) -> np.ndarray:
    """Numbers of the rows in which a target is missing."""
    absent = np.zeros(len(examples), dtype=bool)
    for name in targets:
        values = examples.frame[name]
        missing = values.is_null()
        if values.dtype.is_float():
            missing = missing | values.is_nan().fill_null(False)
        absent |= missing.to_numpy()
    return np.flatnonzero(absent)


def _strategy(content: Content, data: recipe.Data, task: str) -> str:
    """How parts are drawn, from what the user said and what the data are."""
    if content.kind == "series" and data.split not in (None, "time", "given"):
        what = f"--split {data.split} would put the days around an unseen day into training"
        raise RecipeError(what, where="data.split", remedy="leave out --split: a series is cut by time")
    if task in RUNNING and data.split not in (None, "time", "given"):
        what = f"--split {data.split} would tear the lines of the text apart"
        raise RecipeError(what, where="data.split", remedy="leave out --split: the end of the text is held out")
    if data.split is not None and data.split != "given":
        needs = {"group": data.group, "time": data.time or content.time or (content.kind == "series" or None)}
        if data.split in needs and needs[data.split] is None:
            raise RecipeError(f"--split {data.split} needs to know by which column", where="data.split", remedy=f"add --{data.split} COLUMN")
        if data.split == "stratified" and task != "classification":
            raise RecipeError(f"--split stratified balances classes, and the task is {task}", where="data.split", remedy="use --split random")
        return data.split
    if data.split == "given" and "all" in content.parts:
        what = "--split given needs data that name their parts, and these do not"
        raise RecipeError(what, where="data.split", remedy="give --test PATH, or leave out --split")
    if data.group is not None and data.time is not None:
        remedy = "say which one goes first: --split group or --split time"
        raise RecipeError("--group and --time were both given", where="data.split", remedy=remedy)
    if data.time is not None or content.kind == "series" or task in RUNNING:
        return "time"
    if data.group is not None:
        return "group"
    return "stratified" if task == "classification" else "random"


def _known(content: Content, part: Part, data: recipe.Data, targets: tuple[str, ...]) -> np.ndarray:
    """The rows of a part that have a target."""
    examples = content.parts[part]
    origin = content.origin if part == "all" else f"{content.origin} ({part} part)"
    for name in targets:
        if name not in examples.frame.columns:
            _refuse(f"there is no column {name!r} to compare predictions with", "give data with the target, or use them with `sonde predict`", origin)
    if not len(examples):
        _refuse("there is no example", "give data with at least one row or picture", origin)
    if content.kind == "series":  # windows with a gap are left out one by one, when they are cut
        return np.arange(len(examples))
    absent = missing_targets(examples, targets)
    if len(absent) and data.on_error == "stop":
        column = f"column {targets[0]!r}" if len(targets) == 1 else "the targets"
        remedy = "fill it in, or leave such rows out with --on-error skip"
        where = [f"{origin}, {place(examples, int(row))}, {column}" for row in absent]
        raise DataError([Problem("error", at, "the target is missing", remedy, int(row)) for at, row in zip(where, absent, strict=True)])
    present = np.ones(len(examples), dtype=bool)
    present[absent] = False
    return np.flatnonzero(present)


def _count(asked: float | str | None, default: float, total: int, part: str) -> int:
    """How many examples a part gets: a share of `total` under 1, or a number from 1 up."""
    if isinstance(asked, str):
        raise RecipeError(f"the {part} part was to come from {asked!r}, and no such part was opened", where=f"data.{part}", remedy="give a path that exists")
    share = default if asked is None else asked
    if share < 0 or (share >= 1 and share != int(share)):
        raise RecipeError(f"data.{part} = {share}", where=f"--{part}", remedy="give a share from 0 to under 1, or a whole number of examples")
    count = int(share) if share >= 1 else round(share * total)
    if share > 0 and count == 0 and asked is not None:
        count = 1
    return min(count, max(total - 1, 0)) if share < 1 else count


def _cut(
    whole: Selection, data: recipe.Data, strategy: str, *, targets: tuple[str, ...], seed: int, sizes: tuple[int, int], origin: str, series: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of (test, validation, train), each ascending."""
    test, validation = sizes
    if test + validation >= len(whole):
        found = f"{test:,} examples for the test part and {validation:,} for validation leave none of {len(whole):,} to train on"
        _refuse(found, "ask for smaller parts with --test and --validation, or give more data", origin)
    generator = np.random.default_rng([seed, 0])
    if strategy == "group":
        assert data.group is not None
        return _cut_groups(whole, data.group, sizes, generator, origin)
    if strategy == "time":
        order = _time_order(whole, None if series else data.time, origin)[::-1]
    elif strategy == "stratified":
        order = _spread(_codes(whole, targets), generator)
    else:
        order = generator.permutation(len(whole))
    pieces = np.split(order, [test, test + validation])
    return cast(tuple[np.ndarray, np.ndarray, np.ndarray], tuple(np.sort(whole.index[piece]) for piece in pieces))


def _spread(codes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An order in which every stretch from the start holds each class in proportion.

    Example j of the n_c of a class, in random order, stands at (j + ½) / n_c; ties fall at random. The last example of
    each class stands at the end, so that every class is trained on.
    """
    shuffled = generator.permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    counts = np.bincount(codes)
    starts, totals = np.repeat(np.cumsum(counts) - counts, counts), np.repeat(counts, counts)
    number = np.arange(len(codes)) - starts
    place = np.empty(len(codes))
    place[by_class] = np.where(number == totals - 1, 1.0, (number + 0.5) / totals)
    return shuffled[np.argsort(place[shuffled], kind="stable")]


def _cut_groups(
    whole: Selection, group: str, sizes: tuple[int, int], generator: np.random.Generator, origin: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole groups in random order, each part filled until the next group would take it farther from its size."""
    codes = _codes(whole, (group,))
    counts = np.bincount(codes)
    wanted = sum(size > 0 for size in sizes) + 1
    if len(counts) < wanted:
        values = "value" if len(counts) == 1 else "different values"
        found = f"column {group!r} has {len(counts)} {values}, too few for {wanted} parts, as equal ones stay together"
        _refuse(found, "give more data, name another column with --group, or ask for fewer parts (--validation 0, --test 0)", origin)
    order = list(generator.permutation(len(counts)))
    side = np.full(len(counts), 2)
    for part, size in enumerate(sizes):
        later = sum(other > 0 for other in sizes[part + 1 :]) + 1  # groups to leave for the parts still to come
        taken = 0
        while size and len(order) > later and (taken == 0 or abs(taken + counts[order[0]] - size) < abs(taken - size)):
            side[order[0]] = part
            taken += counts[order.pop(0)]
    number = side[codes]
    return whole.index[number == 0], whole.index[number == 1], whole.index[number == 2]


def _even_groups(codes: np.ndarray, k: int, generator: np.random.Generator) -> np.ndarray:
    """The fold of each group: the largest first, each to the fold that has the fewest examples."""
    counts = np.bincount(codes)
    shuffled = generator.permutation(len(counts))
    fold, filled = np.empty(len(counts), dtype=np.int64), np.zeros(k, dtype=np.int64)
    for group in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        fold[group] = filled.argmin()
        filled[fold[group]] += counts[group]
    return fold


def _few(whole: Selection, rows: np.ndarray, count: int, targets: tuple[str, ...], *, stratified: bool, seed: int) -> np.ndarray:
    """`count` of the training rows, some of each class while there is room; a smaller count gives a subset of a larger one."""
    generator = np.random.default_rng([seed, 2])
    order = generator.permutation(len(rows))
    if stratified:
        codes = _codes(Selection(whole.examples, rows), targets)
        order = _spread(codes, generator)
        _, first = np.unique(codes[order], return_index=True)
        order = np.concatenate([order[np.sort(first)], np.delete(order, first)])
    return np.sort(rows[order[:count]])


def _codes(selection: Selection, columns: tuple[str, ...]) -> np.ndarray:
    """A whole number from 0 up for each distinct value, in the order of values; a missing one is a value too."""
    values = _column(selection, columns[0]).alias("value")
    known = pl.DataFrame(values.unique().sort()).with_row_index("code")
    codes = pl.DataFrame(values).join(known, on="value", how="left", maintain_order="left", nulls_equal=True)["code"].to_numpy()
    return codes.astype(np.uint16 if len(known) < 2**16 else np.int64)  # a stable sort of 16 bits takes linear time


def _column(selection: Selection, name: str) -> pl.Series:
    frame = selection.examples.frame
    if name not in frame.columns:
        _refuse(f"there is no column {name!r}", did_you_mean(name, frame.columns), "the data")
    return frame[name].gather(selection.index)


def _time_order(selection: Selection, time: str | None, origin: str) -> np.ndarray:
    """Positions from the earliest to the latest; rows of one time keep their order. Without a time column: as they stand."""
    if time is None:
        return np.arange(len(selection))
    values = _column(selection, time)
    when = values if values.dtype.is_numeric() else as_dates(values)
    if when is None:
        when = as_dates(values, date_format(values.drop_nulls().head(1)))  # so that the message names the first odd one
    if when is None or when.null_count():
        row = 0 if when is None else int(np.flatnonzero(when.is_null().to_numpy())[0])
        where = f"{origin}, line {selection.examples.line(int(selection.index[row]))}, column {time!r}"
        _refuse(f"{values[row]!r} is no date", "write dates as 2024-12-31, or name another --time column", where)
    assert when is not None
    return np.argsort(when.to_physical().to_numpy(), kind="stable")


def _refuse(found: str, remedy: str, where: str) -> NoReturn:
    raise DataError(Problem("error", where, found, remedy))
