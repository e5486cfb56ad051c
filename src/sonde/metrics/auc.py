"""Area under the ROC curve: the chance that a random positive example is ranked above a random negative one.

A rank statistic (Hanley and McNeil, 1982), so it cannot be summed over batches: it is a `RowMetric`, computed once
from all rows. Counters over score bins would only come near.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import exact


@dataclass(frozen=True)
class AUC:
    """AUC of class 1 against class 0, 0 … 1; ties count one half. NaN where only one class occurs."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def of(self, predictions: Tensor, targets: Tensor) -> float:
        """From logits (n, 2) and class numbers (n,) of all examples."""
        logits = exact(predictions)
        scores, positive = logits[:, 1] - logits[:, 0], targets.to(logits.device) == 1
        above, below = scores[positive], scores[~positive].sort().values
        # How many negatives lie below each positive: those strictly below, and half of those equal.
        wins = torch.searchsorted(below, above, right=False) + torch.searchsorted(below, above, right=True)
        return float(exact(wins).mean() / 2 / len(below)) if len(below) else float("nan")
