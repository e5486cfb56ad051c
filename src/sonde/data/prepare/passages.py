"""Documents cut into examples for masked language modelling: stretches of whole sentences that fill a row.

What is drawn anew each epoch (where a stretch is cut in two, what is masked) is drawn in data/masking.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sonde.data.contents import Examples
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.masked import Masking
from sonde.data.prepare.tokenizers.bert import SPECIALS


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


def passages(prep: BertPreparation, examples: Examples) -> tuple[np.ndarray, Passages, np.ndarray]:
    """The documents of `examples` as pre-training reads them: pieces of all one after the other, int32; examples as stretches of them;
    int64 (document + 1,): the first example of each document, and the number of all.
    """
    assert prep.masking is not None
    values = examples.frame[prep.columns[0]].fill_null("").str.split("\n")
    flat, counts = prep.pieces.encode(values.explode().to_list())
    filled = counts > 0  # a sentence of control characters has no piece
    of = np.repeat(np.arange(len(values)), values.list.len().to_numpy())[filled]
    sentences = np.bincount(of, minlength=len(values))
    room = prep.length - prep.masking.specials
    first, stop, document = stretches(counts[filled], sentences, room=room, least=prep.masking.least)
    edges = np.concatenate([[0], counts[filled].cumsum()])
    starts = np.searchsorted(document, np.arange(len(values) + 1))
    ordinary = [number for number, piece in enumerate(prep.pieces.vocabulary) if piece not in SPECIALS]
    made = Passages(
        prep.masking,
        prep.length,
        edges=torch.from_numpy(edges),
        first=torch.from_numpy(first),
        stop=torch.from_numpy(stop),
        document=torch.from_numpy(document),
        inside=inside_words(prep.pieces.vocabulary),
        ordinary=torch.tensor(ordinary),
        begin=prep.pieces.begin,
        separator=prep.pieces.separator,
        mask=prep.pieces.mask,
    )
    return flat, made, starts
