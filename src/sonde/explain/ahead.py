"""How errors grow with the steps foretold: a forecast that is fed its own predictions, and a gap that is filled in from both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sonde.data.prepare.encoders import as_float64
from sonde.data.prepare.series import SeriesPreparation
from sonde.errors import UsageError
from sonde.run import Run

STEPS = (1, 4, 16, 64)
ROWS = 4_096  # windows that are predicted together


@dataclass(frozen=True)
class Ahead:
    """Mean absolute errors `steps` ahead, in the units of the data, over the same `moments` for every number of steps.

    `baseline` names what `expected` are the errors of: persistence (all stays as it is), or of a gap the straight line between its ends.
    """

    steps: tuple[int, ...]
    errors: tuple[float, ...]
    expected: tuple[float, ...]
    baseline: str
    moments: int

    def rows(self) -> list[dict[str, Any]]:
        """A row for each number of steps: `steps`, `mae`, the baseline's, and the share by which it is beaten."""
        both = zip(self.steps, self.errors, self.expected, strict=True)
        return [{"steps": k, "mae": a, f"{self.baseline}-mae": b, "skill": 1 - a / b if b else None} for k, a, b in both]


def ahead(run: Run, steps: Sequence[int] = STEPS, *, part: str = "test") -> Ahead:
    """The errors of a run that foretells a series, `steps` ahead, on a part of its own data.

    Predictions take the place of the values that follow, as many times as it takes; a run that fills gaps is measured at the places
    of its gap. Steps that the part is too short for are left out. Raises UsageError for other runs, and where none are left.
    """
    preparation = run.preparation
    if not isinstance(preparation, SeriesPreparation) or run.folds:
        what = "a K-fold foretells nothing by itself" if run.folds else f"this run does {run.description['task']['name']}, and foretells no series"
        raise UsageError(what, where=str(run.path), remedy="take one fold, or train one: sonde train FILE.csv --task forecasting")
    _, index, examples = run.part(part)
    values = as_float64(examples.frame[preparation.name]).astype(np.float32)
    window, after, most = preparation.window, preparation.after, preparation.horizon
    inside = values[: int(index[-1]) + 1] if len(index) else values[:0]
    first = max(int(index[0]) - most + 1 if len(index) else 0, window)
    room = (most if after else len(inside) - first) if len(inside) - first >= most else 0
    kept = tuple(sorted({k for k in steps if 1 <= k <= room}))
    if not kept:
        told = f"a gap of {most}" if after else f"{max(len(inside) - first, 0)} values"
        what = f"none of {', '.join(map(str, steps))} steps ahead can be measured: the {part} part has {told}"
        raise UsageError(what, where="--ahead", remedy="give smaller numbers, or another --part")
    far = most if after else max(kept)
    seen = np.lib.stride_tricks.sliding_window_view(inside[first - window :], window + far + after)
    seen = np.ascontiguousarray(seen[np.isfinite(seen).all(1)])
    if not len(seen):
        raise UsageError(f"the {part} part has no {window + far + after} values without a gap", where="--ahead", remedy="give smaller numbers")
    known, truth = seen[:, :window], seen[:, window : window + far]
    found = np.concatenate([_rolled(run, rows, far, after) for rows in np.array_split(seen, -(-len(seen) // ROWS))])
    if after:
        share = np.arange(1, far + 1) / (far + 1)
        plain = known[:, -1:] * (1 - share) + seen[:, window + far, None] * share
    else:
        plain = np.repeat(known[:, -1:], far, axis=1)
    at = np.array(kept) - 1
    errors, expected = (np.abs(said - truth)[:, at].astype(np.float64).mean(0).tolist() for said in (found, plain))
    return Ahead(kept, tuple(errors), tuple(expected), "straight-line" if after else "persistence", len(seen))


@torch.no_grad()
def _rolled(run: Run, seen: np.ndarray, far: int, after: int) -> np.ndarray:
    """`far` values after each window, float32 (row, far); each row of `seen` has a window, the truth, and what is known behind a gap."""
    window = seen.shape[1] - far - after
    past = torch.from_numpy(seen[:, :window]).to(run.device)
    if after:
        behind = torch.from_numpy(seen[:, window + far :]).to(run.device)
        return run.task.predict(run.model, (torch.cat([past, behind], 1),)).float().cpu().numpy()
    found: list[torch.Tensor] = []
    while sum(some.shape[1] for some in found) < far:
        found.append(run.task.predict(run.model, (past,)).float())
        past = torch.cat([past, found[-1]], 1)[:, -window:]
    return torch.cat(found, 1)[:, :far].cpu().numpy()
