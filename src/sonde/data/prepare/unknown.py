"""How much of a held-out part the vocabulary does not know."""

from __future__ import annotations

import numpy as np
import torch

from sonde.data.prepare.columns import Columns
from sonde.data.prepare.tokenizers import PAD, UNKNOWN

BLOCK = 2**22  # tokens that are looked at together


def unknown_tokens(columns: Columns, index: np.ndarray, part: str) -> str | None:
    """What is to be said of the rows `index` of a held-out part; None where all is known, or these are no tokens."""
    if part == "train" or not len(index) or not (columns.padded or columns.window):
        return None
    tokens = columns.inputs[0]
    unknown = total = 0
    step = max(1, BLOCK // max(1, tokens[:1].numel()))
    for start in range(0, len(index), step):
        some = tokens[torch.from_numpy(index[start : start + step])]
        unknown += int((some == UNKNOWN).sum())
        total += int((some != PAD).sum())
    if not unknown:
        return None
    share = f"{100 * unknown / total:.2g} %"
    return f"the {part} part has {unknown:,} tokens of {total:,} ({share}) that the training part does not know: all are read as one, <unk>"
