"""A translator: one graph reads the source, another foretells each token of the target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import text
from .foretelling import Foretelling, State, beam_search, likeliest
from .graph import Graph
from .subwords import UNKNOWN

PAD, BEGIN, END = 0, 2, 3
NEVER = (PAD, UNKNOWN, BEGIN)
AT_ONCE = 64  # sources that are translated together


class Translator:
    """What `load` gives for a translator."""

    def __init__(self, encoder: Graph, decoder: Graph, preprocessing: dict[str, Any]) -> None:
        self.encoder, self.preprocessing = encoder, preprocessing
        self.advance = Foretelling(decoder, preprocessing["decoder"])
        self.target = text.tokenizer_of(preprocessing["answer"])

    def predict(self, source: Any) -> dict[str, Any]:
        """Columns by name: `name` and `prediction`, the translation. `source`: texts, a text file with one a line, or a table's path or rows."""
        names, (tokens, lengths) = self.encode(source)
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(tokens), AT_ONCE)]
        written = [said for part in parts for said in self._written(tokens[part], lengths[part])]
        return {"name": names, "prediction": [self.target.decode(said).strip() for said in written]}

    def encode(self, source: Any) -> tuple[list[str], tuple[np.ndarray, ...]]:
        """The names of the sources, their tokens int64 (row, length) and lengths int64 (row,)."""
        if isinstance(source, (str, Path)) and Path(source).suffix.lower() == ".txt":
            source = [line for line in text.read_texts(source)[1][0].split("\n") if line.strip()]
        return text.encode(source, self.preprocessing)

    def state(self, tokens: np.ndarray, lengths: np.ndarray) -> State:
        """What the target starts from."""
        read = tuple(self.encoder.run(tokens, lengths))
        return (*self.advance.first(len(tokens)), *read) if "looks_back" in self.advance.described else read

    def read(self, tokens: np.ndarray, lengths: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Logits (row, step, token) after each of `target` int64 (row, step)."""
        return self.advance(target, self.state(tokens, lengths))[0]

    def _written(self, tokens: np.ndarray, lengths: np.ndarray) -> Sequence[list[int]]:
        answer = self.preprocessing["answer"]
        state, prompt = self.state(tokens, lengths), np.full((len(tokens), 1), BEGIN)
        if answer["beam"] == 1:
            return list(likeliest(self.advance, prompt, state, length=answer["longest"], end=END, never=NEVER))
        one = [tuple(part[row : row + 1] for part in state) for row in range(len(tokens))]
        return [
            beam_search(self.advance, prompt[:1], each, width=answer["beam"], length=answer["longest"], end=END, never=NEVER)
            for each in one
        ]
