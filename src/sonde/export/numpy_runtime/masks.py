"""A BERT that was pre-trained: it fills the masks of a text (Devlin et al. 2018, section 3.1)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .bert import in_batches
from .bert_pieces import BertPieces
from .foretelling import log_softmax
from .graph import Graph
from .problem import PredictError
from .text import read_texts

MASK = "[MASK]"
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", MASK)


class MaskFiller:
    """What `load` gives for a pre-trained BERT."""

    def __init__(self, graph: Graph, preprocessing: dict[str, Any]) -> None:
        self.graph, self.preprocessing = graph, preprocessing
        fitted = preprocessing["preparation"]["tokenizer"]
        self.pieces, self.vocabulary = BertPieces(fitted), fitted["vocabulary"]
        self.never = [self.vocabulary.index(special) for special in SPECIALS]

    def outputs(self, *inputs: np.ndarray) -> np.ndarray:
        """Logits (row, step, piece) of tokens int64 (row, step) and lengths int64 (row,); −∞ behind a row's end."""
        return in_batches(self.graph, inputs)

    def fill(self, text: str) -> tuple[list[str], list[float]]:
        """The piece at each `[MASK]` of a text and its probability, in order of the text; the surest is filled first, so that the others may
        lean on it."""
        mask, most = self.vocabulary.index(MASK), self.preprocessing["preparation"]["length"]
        parts = re.split(f"({re.escape(MASK)})", text)
        if len(parts) < 2:
            raise PredictError(f"{text!r} has no {MASK}", where="the text", remedy=f"write one: the {MASK} machine")
        numbers = [number for place, part in enumerate(parts) for number in ([mask] if place % 2 else self.pieces.encode(part))]
        row = np.array([[self.pieces.begin, *numbers, self.pieces.separator]], dtype=np.int64)
        if row.shape[1] > most:
            what = f"the text has {row.shape[1]:,} pieces with its specials, and this model read rows of {most}"
            raise PredictError(what, where="the text", remedy="give a shorter one")
        masks = np.flatnonzero(row[0] == mask).tolist()
        sure, still = dict.fromkeys(masks, 0.0), list(masks)
        while still:
            log_p = log_softmax(self.outputs(row, np.array([row.shape[1]]))[0, still])
            log_p[:, self.never] = -np.inf
            chosen = int(log_p.max(axis=1).argmax())
            place = still.pop(chosen)
            row[0, place], sure[place] = log_p[chosen].argmax(), float(np.exp(log_p[chosen].max()))
        return [self.vocabulary[row[0, place]] for place in masks], [sure[place] for place in masks]

    def filled(self, text: str) -> str:
        """A text with its masks filled; a piece that goes on with the word before it is joined to it."""
        pieces, _ = self.fill(text)
        parts = text.split(MASK)
        for place, piece in enumerate(pieces):
            parts[place] = parts[place].rstrip() + piece[2:] if piece.startswith("##") else parts[place] + piece
        return "".join(parts)

    def predict(self, source: Any) -> dict[str, Any]:
        """Of each text (a list of texts, or a text file with one a line) `text`, `prediction`, the text filled, and `probability`, the product of
        those of its masks."""
        if isinstance(source, (list, tuple)):
            texts = list(source)
        else:
            texts = [line for line in read_texts(source)[1][0].split("\n") if line.strip()]
        shares = [float(np.prod(self.fill(text)[1])) for text in texts]
        return {"text": texts, "prediction": [self.filled(text) for text in texts], "probability": shares}
