"""The way from columns to batches: rows in a shuffled order, running text in lanes, its words one by one, or pairs of texts with masks."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from sonde.data.balance import repeat_factors
from sonde.data.batches import Augment, Batches, Mix
from sonde.data.lanes import LaneBatches
from sonde.data.masking import MaskedBatches
from sonde.data.prepare.columns import Columns
from sonde.data.skip_grams import SkipGrams

# Lanes of running text that is measured, whatever the batch size was: each lane but the first begins without what stands before it,
# so their number is part of the measure. A short text has fewer, so that beginnings weigh little.
MEASURED_LANES: Final = 16
SHORTEST_LANE: Final = 1_000  # tokens
MEASURED_SCENES: Final = 16  # pictures: what a detector or segmenter works on is large

Feed = Batches | LaneBatches | SkipGrams | MaskedBatches


def feed(
    columns: Columns,
    index: np.ndarray,
    *,
    batch_size: int,
    device: torch.device | str,
    seed: int = 0,
    shuffle: bool = False,
    rank: int = 0,
    world_size: int = 1,
    accumulate: int = 1,
    augment: Augment | None = None,
    mix: Mix | None = None,
    balance: bool = False,
) -> Feed:
    """The examples `index` in batches, as `Batches` says. Of running text the batch size is the number of lanes, of words that of tokens.

    With `balance` examples of rare classes come more often (balance.py). Of pictures with places in them no more than 16 are measured at once.
    """
    if columns.window:
        first, last = (int(index[0]), int(index[-1]) + 1) if len(index) else (0, 0)
        if columns.around is not None:
            return SkipGrams(
                columns.inputs[0],
                first,
                last,
                columns.around,
                batch_size=batch_size,
                seed=seed,
                shuffle=shuffle,
                device=device,
                rank=rank,
                world_size=world_size,
                accumulate=accumulate,
            )
        return LaneBatches(
            columns.inputs[0],
            first,
            last,
            lanes=batch_size if shuffle else max(1, min(MEASURED_LANES, len(index) // SHORTEST_LANE)),
            steps=columns.window,
            seed=seed,
            shuffle=shuffle,
            device=device,
            rank=rank,
            world_size=world_size,
            accumulate=accumulate,
        )
    if columns.passages is not None:
        return MaskedBatches(
            columns,
            index,
            batch_size=batch_size,
            seed=seed,
            shuffle=shuffle,
            device=device,
            rank=rank,
            world_size=world_size,
            accumulate=accumulate,
        )
    if columns.scene is not None and not shuffle:
        batch_size = min(batch_size, MEASURED_SCENES * world_size)
    return Batches(
        columns,
        index,
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        device=device,
        rank=rank,
        world_size=world_size,
        accumulate=accumulate,
        augment=augment,
        mix=mix,
        factors=repeat_factors(columns, torch.from_numpy(np.ascontiguousarray(index))) if balance else None,
    )
