"""A series as windows: the inputs of row i are values before it, its target the value on it.

With horizon h the targets are the h values that end on row i and the inputs the `window` values before those, so that
no row is trained on a value later than its own. Rows keep the order of the file, which the reader has sorted by time.

With `after` the targets are a gap that is filled in from both sides: that many values after row i are inputs too, behind those before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sonde.data.contents import Examples
from sonde.data.prepare.encoders import as_float64
from sonde.data.prepare.options import natural, positive
from sonde.data.split import Selection
from sonde.errors import DataError, Problem, did_you_mean

WINDOW = 7


@dataclass(frozen=True)
class SeriesPreparation:
    """Windows of the column `name`; `mean` and `std` are those of its values in the training part."""

    name: str
    window: int
    horizon: int
    mean: float
    std: float
    after: int = 0

    @property
    def sizes(self) -> dict[str, Any]:
        """`numbers`: the window, and what is known after the gap; no categories."""
        return {"numbers": self.window + self.after, "categories": ()} | ({"after": self.after} if self.after else {})

    @property
    def normalisation(self) -> dict[str, Any]:
        """What the model's first step does to a window (nn/normalise.py)."""
        return {"kind": "series", "mean": self.mean, "std": self.std}

    def encode(self, examples: Examples, index: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Windows float32 (row, window + after) around the targets of the rows `index` (None: all), the latest value last.

        NaN stands where the series does not reach back so far or has a gap; `valid` tells which rows are whole.
        """
        values = self._values(examples)
        before = np.concatenate([np.full(self.window + self.horizon - 1, np.nan), values])[: len(values) + self.window - 1]
        windows = np.lib.stride_tricks.sliding_window_view(before, self.window)
        if self.after:
            behind = np.concatenate([values, np.full(self.after, np.nan)])[1:]
            windows = np.concatenate([windows, np.lib.stride_tricks.sliding_window_view(behind, self.after)], axis=1)
        return (np.ascontiguousarray(windows if index is None else windows[index], dtype=np.float32),)

    def inspect(self, examples: Examples, index: np.ndarray | None = None) -> tuple[tuple[np.ndarray, ...], list[Problem]]:
        """Windows, and no problems: gaps are for `valid`."""
        return self.encode(examples, index), []

    def valid(self, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        """Which windows have all their values."""
        return np.isfinite(inputs[0]).all(1)

    def describe(self) -> list[dict[str, str]]:
        """The column and what is done with it."""
        ahead = "the next value" if self.horizon == 1 else f"the next {self.horizon} values"
        known = f"{self.window} before" + (f" and the {self.after} after" if self.after else "")
        why = f"{ahead} from the {known}, centred and scaled by the training part"
        return [{"name": self.name, "type": "number", "role": "target", "why": why}]

    def encoding(self) -> list[Any]:
        """What the windows depend on; the other fitted values belong to the model's first step."""
        return ["series", self.name, self.window, self.horizon, self.after]

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads."""
        return {"kind": "series", "name": self.name, "window": self.window, "horizon": self.horizon, "mean": self.mean, "std": self.std, "after": self.after}

    @staticmethod
    def from_json(table: dict[str, Any]) -> SeriesPreparation:
        """The inverse of `to_json`."""
        return SeriesPreparation(**{key: value for key, value in table.items() if key != "kind"})

    def _values(self, examples: Examples) -> np.ndarray:
        if self.name not in examples.frame.columns:
            found = f"there is no column {self.name!r}, which the model learned from"
            raise DataError(Problem("error", "the data", found, did_you_mean(self.name, examples.frame.columns)))
        return as_float64(examples.frame[self.name])


def fit_series(train: Selection, targets: tuple[str, ...], options: dict[str, Any]) -> SeriesPreparation:
    """The windows of the first target. `options` are the task's: `window` (default 7), `horizon` (default 1) and `after` (default 0)."""
    window, horizon, after = positive(options, "window", default=WINDOW), positive(options, "horizon", default=1), natural(options, "after")
    values = as_float64(train.examples.frame[targets[0]].gather(train.index))
    if len(train) < window + horizon + after:
        found = f"the training part has {len(train)} values, and a window of {window} with its target takes {window + horizon + after}"
        raise DataError(Problem("error", f"column {targets[0]!r}", found, "use a smaller window (--set task.window=…) or more data"))
    present = values[np.isfinite(values)]
    return SeriesPreparation(targets[0], window, horizon, float(present.mean()), float(present.std()) or 1.0, after)
