"""Sentences and their translations as numbers: two tokenisers, or one that both share. Fitted on the training part alone.

The source is prepared as any sentence is (data/prepare/text.py). The target is what is to be written: its tokens, and END.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sonde import recipe
from sonde.data.prepare.text import TextPreparation, fit_text, formed
from sonde.data.prepare.tokenizers import END, from_json
from sonde.data.split import Selection
from sonde.errors import RecipeError

SOURCE: Final = "source"
TARGET: Final = "target"


def fit_source(train: Selection, data: recipe.Data, options: dict[str, Any]) -> TextPreparation:
    """How sources become tokens; with `task.shared` the vocabulary is of sources and targets together."""
    return fit_text(train, data, column=SOURCE, window=0, also=(TARGET,) if is_shared(options) else ())


def fit_written(train: Selection, data: recipe.Data, options: dict[str, Any], source: TextPreparation) -> dict[str, Any]:
    """The values of the fitted target (data/prepare/target.py)."""
    own = fit_text(train, data, column=TARGET, window=0, tokenizer=source.tokenizer if is_shared(options) else None)
    return {"kind": "tokens", "columns": [TARGET], "tokenizer": own.tokenizer.to_json(), "form": own.form, "length": own.length}


def written(values: dict[str, Any], texts: Sequence[str]) -> np.ndarray:
    """int64 (row, length + 1): the tokens of each text, at most `length` of them, END, and NO_TARGET in the rest."""
    from sonde.ops.losses import NO_TARGET  # late: what is wrong with data is told before PyTorch is loaded

    tokens, lengths = from_json(values["tokenizer"]).encode(formed(texts, values["form"]))
    kept = np.minimum(lengths, values["length"])
    starts, place = np.cumsum(lengths) - lengths, np.arange(values["length"] + 1)
    out = np.full((len(texts), len(place)), NO_TARGET, dtype=np.int64)
    inside = place < kept[:, None]
    out[inside] = tokens[(starts[:, None] + place)[inside]]
    out[np.arange(len(texts)), kept] = END
    return out


def is_shared(options: dict[str, Any]) -> bool:
    """Whether source and target share a vocabulary: the option `shared`. Raises RecipeError for what is neither true nor false."""
    value = options.get("shared", False)
    if not isinstance(value, bool):
        raise RecipeError(f"task.shared = {value!r} is neither true nor false", where="task.options", remedy="use --set task.shared=true")
    return value
