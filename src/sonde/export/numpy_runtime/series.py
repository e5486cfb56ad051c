"""A series as windows: the values before each row, and the windows of what is still to come."""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from typing import Any

import numpy as np

from .columns import Table, as_float64, read_table
from .dates import series_dates
from .problem import PredictError


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """Names (dates, or row numbers) and windows float32 (row, window) of all rows that have a whole one.

    After the end of the series, `horizon` further rows follow.
    """
    fitted = preprocessing["preparation"]
    if isinstance(source, np.ndarray) and source.ndim == 1:
        source = {fitted["name"]: source.tolist()}
    table = read_table(source, needed=[fitted["name"]])
    values, horizon, window = as_float64(table.column(fitted["name"])), fitted["horizon"], fitted["window"]
    order, called = _moments(table, preprocessing, horizon)
    values = np.concatenate([values[order], np.full(horizon, np.nan)])
    before = np.concatenate([np.full(window + horizon - 1, np.nan), values])[: len(values) + window - 1]
    windows = np.lib.stride_tricks.sliding_window_view(before, window).astype(np.float32)
    after = fitted.get("after", 0)
    if after:
        behind = np.concatenate([values, np.full(after, np.nan)])[1:]
        windows = np.concatenate([windows, np.lib.stride_tricks.sliding_window_view(behind, after)], axis=1).astype(np.float32)
    whole = np.flatnonzero(np.isfinite(windows).all(axis=1))
    if not len(whole):
        found = f"{len(table)} rows hold no {window} values one after the other"
        raise PredictError(found, where=table.where, remedy=f"give at least {window} rows without gaps")
    return [called[row] for row in whole], (windows[whole],)


def _moments(table: Table, preprocessing: dict[str, Any], horizon: int) -> tuple[list[int], list[str]]:
    """The rows in order of time, and what to call them and the `horizon` ones after them."""
    time, target = preprocessing["time"], preprocessing["preparation"]["name"]
    wanted = {*preprocessing["features"], target, time} if preprocessing["features"] else set(table.columns)
    used = {name for name in table.columns if name in wanted and name not in preprocessing["drop"] and name != preprocessing["id"]}
    numbered = [str(row) for row in range(len(table) + horizon)]
    if time is None or used != {time, target}:  # as the run reads it: rows stand in order
        return list(range(len(table))), numbered
    found = series_dates(table.columns[time])
    if found is None or None in found[0]:
        row = 0 if found is None else found[0].index(None)
        what = f"{time} is {table.columns[time].values[row]!r}, which is no date like the others"
        raise PredictError(what, where=f"{table.where}, line {table.lines[row]}", remedy="write dates as 2021-01-26")
    dates, clock = [date for date in found[0] if date is not None], found[1]
    order = sorted(range(len(dates)), key=lambda row: dates[row])
    dates = [dates[row] for row in order]
    if len(dates) > 1:  # the next moments follow at the distance that occurs most often
        steps = Counter(later - earlier for earlier, later in itertools.pairwise(dates))
        step = min(step for step, times in steps.items() if times == max(steps.values()))
        dates += [dates[-1] + step * (ahead + 1) for ahead in range(horizon)]
    called = [_shown(date, clock) for date in dates]
    return order, called + ["None"] * (len(numbered) - len(called))


def _shown(date: datetime.datetime, clock: bool) -> str:
    return str(date) if clock else str(date.date())
