"""Running text as word vectors are learned from it: words, in lower case unless the recipe says otherwise, and their neighbourhood."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from sonde import recipe
from sonde.data.prepare.neighbourhood import Neighbourhood
from sonde.data.prepare.options import positive
from sonde.data.prepare.text import WINDOW, TextPreparation, fit_text, token_counts
from sonde.data.prepare.tokenizers import SPECIALS
from sonde.data.split import Selection
from sonde.errors import DataError, Problem, RecipeError

FLOOR: Final = 5  # a word that is rarer in the training part has no vector, where the recipe does not say


def fit_words(train: Selection, data: recipe.Data, options: dict[str, Any], *, column: str) -> TextPreparation:
    """The tokeniser and how often each of its pieces occurs. Pieces without a letter or a digit are no words, and left out.

    `options` are the task's. Raises DataError where fewer than two words are left, RecipeError for a number that cannot be.
    """
    window, negatives = positive(options, "window", default=5), positive(options, "negatives", default=5)
    subsample, power = _number(options, "subsample", default=1e-3), _number(options, "power", default=0.75)
    chosen = {"tokenizer": data.tokenizer or "words", "text_form": data.text_form or "lower", "floor": FLOOR if data.floor is None else data.floor}
    prep = fit_text(train, data.model_copy(update=chosen), column=column, window=WINDOW, sentences=True)
    counts = token_counts(prep, train)
    counts[: len(SPECIALS)] = 0
    counts[[not any(character.isalnum() for character in piece) for piece in prep.tokenizer.pieces]] = 0
    if np.count_nonzero(counts) < 2:
        found = f"no two words of the training part occur {chosen['floor']} times"
        raise DataError(Problem("error", f"column {column!r}", found, "give more text, or count rarer words too: --floor 1"))
    return replace(prep, around=Neighbourhood(window, negatives, subsample, power, tuple(counts.tolist())))


def _number(options: dict[str, Any], name: str, *, default: float) -> float:
    """A number of at least 0 and at most 1. Raises RecipeError."""
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        what = f"task.{name} = {value!r} is not a number from 0 to 1"
        raise RecipeError(what, where="task.options", remedy=f"for example --set task.{name}={default:g}")
    return float(value)
