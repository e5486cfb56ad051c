"""How new data differ from the training data, column by column, picture by picture, and as a whole.

The measure is the population stability index PSI = Σ (p − q) ln(p/q) over the tenths of the training values (numbers,
dates, properties of pictures) or over the categories: the symmetrised KL divergence of Kullback and Leibler (1951),
equation 2.6. By the usage of credit scoring (Siddiqi, Credit Risk Scorecards, 2006) up to 0.1 is no shift, from 0.25 a
large one. For samples from one distribution PSI / (1/n + 1/m) is about χ² with (bins − 1) degrees of freedom; what
chance gives in one of a thousand cases is no shift, however large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sonde import recipe
from sonde.data.checks.columns import Column, as_numbers, describe, opaque, sample_rows
from sonde.data.checks.subject import Level, count, quoted
from sonde.data.contents import Examples, Pictures
from sonde.data.prepare.dates import as_dates
from sonde.data.prepare.encoders import as_text
from sonde.errors import DataError, Problem

SOME, LARGE = 0.1, 0.25  # PSI: a note, a warning
BINS = 10
OUTSIDE = 0.05  # share of new values beyond the training range: a warning
UNSEEN = 0.05  # share of new categories: a warning (any at all: a note)
MISSING = 0.1  # change of the missing share: a warning
TELLABLE = 0.75  # area under the curve of a classifier that tells new from training rows: a warning
PICTURES = 200  # looked at on each side
ROWS = 20_000  # compared on each side
FEWEST = 20  # new examples, under which nothing can be said
_NORMAL = 3.090  # 99.9 % quantile of the normal distribution


@dataclass(frozen=True)
class Difference:
    """PSI, and whether it is more than chance."""

    psi: float
    real: bool


def shift(train: Examples, new: Examples, data: recipe.Data, *, whole: bool = False, name: str = "the new data") -> list[Problem]:
    """What has shifted in `new` against `train`, the largest shifts first.

    Each column (number: PSI over tenths, values beyond the training range; category: PSI, unseen values; all: missing
    share) and, for pictures, brightness, contrast, colourfulness, width and height. With `whole` a tree ensemble from
    scikit-learn also tries to tell training from new rows by all columns together, which finds shifts that no single
    column shows (Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017). Fewer than 20 new examples
    give no answer. `name` is what messages call the new data.
    """
    if len(new) < FEWEST or len(train) < FEWEST:
        return []
    if train.pictures is not None and new.pictures is not None:
        return _of_pictures(train.pictures, new.pictures, name)
    chosen, fresh = sample_rows(len(train), ROWS), sample_rows(len(new), ROWS)
    before = train.frame if chosen is None else train.frame[chosen]
    after = new.frame if fresh is None else new.frame[fresh]
    found: list[tuple[float, Problem]] = []
    described = describe(before, data, data.target)
    columns = [
        column for column in described if column.role != "left-out" and column.name in after.columns and not opaque(after[column.name])
    ]
    for column in columns:
        found += _of_column(column, after[column.name], name)
    problems = [problem for _, problem in sorted(found, key=lambda entry: -entry[0])]
    return problems + (_as_a_whole(before, after, columns, name) if whole else [])


def psi(expected: np.ndarray, found: np.ndarray) -> Difference:
    """PSI of two histograms over the same bins. Half an example is added to each bin, so that an empty one is no infinity."""
    bins = len(expected)
    if bins < 2 or not expected.sum() or not found.sum():
        return Difference(0.0, False)
    p = (expected + 0.5) / (expected.sum() + 0.5 * bins)
    q = (found + 0.5) / (found.sum() + 0.5 * bins)
    value = float(((p - q) * np.log(p / q)).sum())
    freedom = bins - 1
    chance = freedom * (1 - 2 / (9 * freedom) + _NORMAL * np.sqrt(2 / (9 * freedom))) ** 3  # Wilson and Hilferty 1931
    return Difference(value, bool(value > chance * (1 / expected.sum() + 1 / found.sum())))


def tenths(values: np.ndarray, others: np.ndarray) -> Difference:
    """PSI of numbers over the tenths of `values`; a value that fills several tenths is a bin of its own."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    sides = [np.searchsorted(edges, numbers, "left") + np.searchsorted(edges, numbers, "right") for numbers in (values, others)]
    bins = 2 * len(edges) + 1  # between two edges, and on an edge itself
    expected, found = (np.bincount(side, minlength=bins) for side in sides)
    held = (expected > 0) | (found > 0)
    return psi(expected[held], found[held])


def _of_column(column: Column, new: pl.Series, name: str) -> list[tuple[float, Problem]]:
    found = _missing(column, new, name)
    if column.type in ("number", "date"):
        return found + _of_numbers(column, new, name)
    if column.type == "category":
        return found + _of_categories(column, new, name)
    return found


def _missing(column: Column, new: pl.Series, name: str) -> list[tuple[float, Problem]]:
    before, after = _missing_share(column.values), _missing_share(new)
    error = np.sqrt(max(before * (1 - before), 1 / new.len()) / new.len())
    if abs(after - before) < MISSING or abs(after - before) < _NORMAL * error:
        return []
    said = f"{after:.0%} of the values are missing, in the training data {before:.0%}"
    remedy = "find out why; predictions rest on less, or on other rows, than was learned from"
    return [(abs(after - before), Problem("warning", f"{name}, column {column.name!r}", said, remedy))]


def _missing_share(values: pl.Series) -> float:
    missing = values.null_count() + (int(values.is_nan().sum()) if values.dtype.is_float() else 0)
    return missing / max(1, values.len())


def _of_numbers(column: Column, new: pl.Series, name: str) -> list[tuple[float, Problem]]:
    values, others = (_numbers(series, column.type) for series in (column.values, new))
    if len(values) < FEWEST or len(others) < FEWEST:
        return []
    where = f"{name}, column {column.name!r}"
    beyond = float(((others < values.min()) | (others > values.max())).mean())
    if beyond >= OUTSIDE and beyond * len(others) >= 5 + len(others) * 2 / len(values):
        span = f"{_shown(values.min(), column)} to {_shown(values.max(), column)}"
        said = f"{beyond:.0%} of the values lie beyond all training values ({span})"
        return [(1 + beyond, Problem("warning", where, said, "check the units; a model is unreliable where it has seen nothing"))]
    difference = tenths(values, others)
    if not difference.real or difference.psi < SOME:
        return []
    was, now = _shown(float(np.median(values)), column), _shown(float(np.median(others)), column)
    said = f"values have shifted: median {now}, in the training data {was} (PSI {difference.psi:.2f})"
    return [(difference.psi, Problem(_level(difference.psi), where, said, _remedy(difference.psi)))]


def _of_categories(column: Column, new: pl.Series, name: str) -> list[tuple[float, Problem]]:
    if isinstance(new.dtype, pl.Duration | pl.Time):  # it was text before; Polars writes no text for lengths of time
        new = new.to_physical()
    before = as_text(column.values).drop_nulls().alias("value").value_counts(name="count")
    after = as_text(new).drop_nulls().alias("value").value_counts(name="count")
    if not before.height or not after.height:
        return []
    both = before.join(after, on="value", how="full", coalesce=True, suffix=" new").fill_null(0)
    where, total = f"{name}, column {column.name!r}", int(after["count"].sum())
    found: list[tuple[float, Problem]] = []
    unseen = both.filter(pl.col("count") == 0).sort("count new", "value", descending=[True, False])
    rows = int(unseen["count new"].sum())
    if rows and column.distinct <= column.values.len() / 2:
        said = f"{quoted(unseen['value'].to_list())} ({count(rows, 'row')} of {total:,}) did not occur in the training data"
        many = rows >= UNSEEN * total
        remedy = "correct the spelling, or train again with such examples: until then they count as unknown"
        found.append((1 + rows / total if many else 0.05, Problem("warning" if many else "note", where, said, remedy)))
    both = both.filter(pl.col("count") > 0)
    difference = psi(both["count"].to_numpy(), both["count new"].to_numpy())
    if both.height <= 100 and difference.real and difference.psi >= SOME:
        shares = both.with_columns((pl.col("count new") / total - pl.col("count") / before["count"].sum()).alias("change"))
        most = shares.sort(pl.col("change").abs(), descending=True).row(0, named=True)
        was, now = most["count"] / before["count"].sum(), most["count new"] / total
        said = f"shares have shifted: {most['value']!r} is {now:.0%} of rows, in the training data {was:.0%} (PSI {difference.psi:.2f})"
        found.append((difference.psi, Problem(_level(difference.psi), where, said, _remedy(difference.psi))))
    return found


def _of_pictures(train: Pictures, new: Pictures, name: str) -> list[Problem]:
    before, after = _properties(train), _properties(new)
    if len(before) < FEWEST or len(after) < FEWEST:
        return []
    found = []
    for place, (what, unit) in enumerate(
        (("brightness", ""), ("contrast", ""), ("colourfulness", ""), ("width", " pixels"), ("height", " pixels"))
    ):
        difference = tenths(before[:, place], after[:, place])
        if difference.real and difference.psi >= SOME:
            was, now = np.median(before[:, place]), np.median(after[:, place])
            said = (
                f"{what} of pictures has shifted: median {now:.0f}{unit}, in the training data {was:.0f}{unit} (PSI {difference.psi:.2f})"
            )
            found.append((difference.psi, Problem(_level(difference.psi), name, said, _remedy(difference.psi))))
    return [problem for _, problem in sorted(found, key=lambda entry: -entry[0])]


def _properties(pictures: Pictures) -> np.ndarray:
    """float64 (picture, 5): mean and standard deviation of grey values, mean spread over channels, width, height; of some pictures."""
    rows = []
    for index in np.unique(np.linspace(0, len(pictures) - 1, min(PICTURES, len(pictures))).astype(np.int64)):
        try:
            pixels = pictures.read(int(index)).astype(np.float32)
        except DataError:
            continue
        grey = pixels.mean(axis=2)
        rows.append((grey.mean(), grey.std(), np.ptp(pixels, axis=2).mean(), pixels.shape[1], pixels.shape[0]))
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def _as_a_whole(before: pl.DataFrame, after: pl.DataFrame, columns: list[Column], name: str) -> list[Problem]:
    """Whether a classifier tells held-out training rows from new ones, and by which columns most."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score

    used = [column for column in columns if column.type in ("number", "date", "category")]
    if not used:
        return []
    rows = np.concatenate([_matrix(before, used, before), _matrix(after, used, before)])
    origin = np.repeat([0, 1], [before.height, after.height])
    order = np.random.default_rng(0).permutation(len(rows))
    learn, judge = order[::2], order[1::2]
    if len(np.unique(origin[learn])) < 2 or len(np.unique(origin[judge])) < 2:
        return []
    trees = ExtraTreesClassifier(100, min_samples_leaf=5, class_weight="balanced", random_state=0).fit(rows[learn], origin[learn])
    area = float(roc_auc_score(origin[judge], trees.predict_proba(rows[judge])[:, 1]))
    smaller = min(before.height, after.height) / 2
    if area < TELLABLE or area - 0.5 < _NORMAL * np.sqrt(1 / (6 * smaller)):  # error of an area of ½ (Hanley and McNeil 1982)
        return []
    by = [used[place].name for place in np.argsort(-trees.feature_importances_)[:3]]
    said = f"a classifier tells these rows from training rows (area under the curve {area:.2f}, ½ is chance), mostly by {quoted(by)}"
    return [Problem("warning", name, said, "expect worse results than on the test part; train again with such data")]


def _matrix(frame: pl.DataFrame, columns: list[Column], known: pl.DataFrame) -> np.ndarray:
    """float64 (row, column): numbers and dates as they are, categories by how often they occur in the training data; −1 where missing."""
    filled = []
    for column in columns:
        if column.type == "category":
            counts = known[column.name].cast(pl.String).drop_nulls().alias("value").value_counts(sort=True, name="count")
            place = {value: number for number, value in enumerate(counts["value"])}
            filled.append(np.array([place.get(value, -1) for value in frame[column.name].cast(pl.String, strict=False)], dtype=np.float64))
        else:
            numbers = _column_numbers(frame[column.name], column.type)
            filled.append(np.where(np.isfinite(numbers), numbers, -1.0))
    return np.clip(np.stack(filled, axis=1), -1e30, 1e30)


def _numbers(values: pl.Series, kind: str) -> np.ndarray:
    numbers = _column_numbers(values, kind)
    return numbers[np.isfinite(numbers)]


def _column_numbers(values: pl.Series, kind: str) -> np.ndarray:
    """float64 (row,), NaN where missing or no number; dates as days since 1970."""
    if kind != "date" or values.dtype.is_numeric():
        return as_numbers(values)
    dates = None if isinstance(values.dtype, pl.Duration | pl.Time) else as_dates(values)
    if dates is None:
        return np.full(values.len(), np.nan)
    return dates.to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy() / 86_400e6


def _shown(value: float, column: Column) -> str:
    if column.type == "date" and not column.values.dtype.is_numeric():
        return str(np.datetime64(int(value), "D"))
    return f"{value:.4g}"


def _level(value: float) -> Level:
    return "warning" if value >= LARGE else "note"


def _remedy(value: float) -> str:
    return "expect worse results than on the test part; train again with such data" if value >= LARGE else "keep an eye on it"
