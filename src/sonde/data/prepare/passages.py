"""Documents cut into examples for masked language modelling: stretches of whole sentences that fill a row.

What is drawn anew each epoch (where a stretch is cut in two, what is masked) is drawn in data/masking.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from sonde.errors import RecipeError

SHARE: Final = 0.15  # of the pieces that are to be foretold, where the task does not say
COUNTED: Final = 1_000  # documents whose pieces are counted to know about how many there are


@dataclass(frozen=True)
class Masking:
    """The task's options that decide how examples are made.

    `share` of the pieces is to be foretold; `whole_words`: all pieces of a word or none. `pairs`: an example is two texts, of which
    the second follows the first or not.
    """

    share: float = SHARE
    whole_words: bool = False
    pairs: bool = True

    @property
    def least(self) -> int:
        """Sentences of an example at least."""
        return 2 if self.pairs else 1

    @property
    def specials(self) -> int:
        """[CLS] and one [SEP] for each text."""
        return 3 if self.pairs else 2

    @staticmethod
    def of_options(options: dict[str, Any]) -> Masking:
        """From the task's options. Raises RecipeError for values that do not exist."""
        share = options.get("share", SHARE)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            remedy = "for example --set task.share=0.15"
            raise RecipeError(f"task.share = {share!r} is not a number between 0 and 1", where="task.options", remedy=remedy)
        flags = {}
        for name, usual in (("whole_words", False), ("next_sentence", True)):
            flags[name] = options.get(name, usual)
            if not isinstance(flags[name], bool):
                what = f"task.{name} = {flags[name]!r} is neither true nor false"
                raise RecipeError(what, where="task.options", remedy=f"for example --set task.{name}={str(not usual).lower()}")
        return Masking(float(share), flags["whole_words"], flags["next_sentence"])

    def to_json(self) -> dict[str, Any]:
        """Plain data: the arguments."""
        return asdict(self)


@dataclass(frozen=True)
class Passages:
    """Examples as stretches of sentences.

    `edges` int64 (sentence + 1,): where each sentence begins in the stream of pieces, and where the last one ends. `first`, `stop` int64
    (example,): its first sentence and the one after its last; `document` int64 (example,), ascending. `inside` bool (piece,): pieces
    of the vocabulary that go on with a word; `ordinary` int64 (piece,): those that are no specials. `begin`, `separator`, `mask`: numbers.
    """

    masking: Masking
    length: int
    edges: Tensor
    first: Tensor
    stop: Tensor
    document: Tensor
    inside: Tensor
    ordinary: Tensor
    begin: int
    separator: int
    mask: int


def stretches(counts: np.ndarray, sentences: np.ndarray, *, room: int, least: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut documents into stretches of as many whole sentences as have `room` pieces, at least `least` sentences each.

    `counts` int64 (sentence,): pieces of each, at least 1; `sentences` int64 (document,): how many each document has. Returns int64
    (example,) each: first sentence, the one after the last, document. Where too few sentences are left at a document's end the
    last stretch begins earlier; a document of fewer than `least` sentences gives none.
    """
    edges = np.concatenate([[0], counts.cumsum()])
    ends = sentences.cumsum()
    rows = np.flatnonzero(sentences >= least)
    here, begins = (ends - sentences)[rows], (ends - sentences)[rows]
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    while len(rows):  # one stretch of every document at a time
        last = ends[rows]
        here = np.maximum(np.minimum(here, last - least), begins)
        stop = np.searchsorted(edges, edges[here] + room, side="right") - 1
        stop = np.clip(stop, here + least, last)
        found.append((here, stop, rows))
        more = stop < last
        rows, here, begins = rows[more], stop[more], begins[more]
    if not found:
        return (np.zeros(0, dtype=np.int64),) * 3
    first, after, document = (np.concatenate(values) for values in zip(*found, strict=True))
    order = np.lexsort((first, document))
    return first[order], after[order], document[order]


def inside_words(vocabulary: tuple[str, ...]) -> Tensor:
    """Bool (piece,): whether a piece goes on with a word."""
    return torch.tensor([piece.startswith("##") for piece in vocabulary])
