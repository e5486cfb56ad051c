"""A language model that reads in both directions: it fills blanks, and writes nothing on."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .foretelling import Foretelling, log_softmax
from .graph import Graph
from .problem import PredictError
from .subwords import SPECIALS, UNKNOWN
from .text import formed, read_texts, tokenizer_of


class BlankFiller:
    """What `load` gives for a language model that foretells a token from all before it and all after it.

    Two graphs give features of a text token by token, one from its beginning and one from its end; the third makes scores of both sides.
    """

    def __init__(self, forwards: Graph, backwards: Graph, output: Graph, preprocessing: dict[str, Any]) -> None:
        self.preprocessing, self.output = preprocessing, output
        self.forwards, self.backwards = (Foretelling(side, preprocessing["decoder"]) for side in (forwards, backwards))
        self.tokenizer = tokenizer_of(preprocessing["preparation"])

    def between(self, tokens: np.ndarray) -> np.ndarray:
        """Logits (row, step, token) of the token at each place of `tokens` int64 (row, step), from all others."""
        before, _ = self.forwards(tokens, self.forwards.first(len(tokens)))
        after, _ = self.backwards(tokens[:, ::-1], self.backwards.first(len(tokens)))
        nothing = np.zeros_like(before[:, :1])
        sides = np.concatenate(
            [np.concatenate([nothing, before[:, :-1]], axis=1), np.concatenate([after[:, ::-1][:, 1:], nothing], axis=1)], axis=2
        )
        (logits,) = self.output.run(sides.reshape(-1, sides.shape[2]))
        return logits.reshape(*tokens.shape, -1)

    def fill(self, text: str) -> tuple[str, list[float]]:
        """`text` with each blank `___` filled, and the probability of what stands in each: a word, or a character for each `_` where the
        model reads characters. The surest blank is filled first, so that the others may lean on it."""
        fitted = self.preprocessing["preparation"]
        parts = re.split("(_)" if fitted["tokenizer"]["name"] == "characters" else "( ?_+)", text)
        if len(parts) < 2:
            raise PredictError(f"{text!r} has no blank", where="the text", remedy="write one: I am ___ very hungry")
        tokens: list[int] = []
        blanks: list[int] = []
        for place, part in enumerate(parts):
            if place % 2:
                blanks.append(len(tokens))
                tokens.append(UNKNOWN)
                continue
            known = formed(part, fitted["form"])
            if place and fitted["form"] == "letters" and part[:1] and not part[0].isalpha():
                known = f" {known}"  # the space that the form takes away from the beginning of a text
            tokens += self.tokenizer.encode(known)
        row, sure = np.array([tokens], dtype=np.int64), dict.fromkeys(blanks, 0.0)
        still = list(blanks)
        while still:
            log_p = log_softmax(self.between(row)[0, still])
            log_p[:, :SPECIALS] = -np.inf
            chosen = int(log_p.max(axis=1).argmax())
            place = still.pop(chosen)
            row[0, place], sure[place] = log_p[chosen].argmax(), float(np.exp(log_p[chosen].max()))
        return self.tokenizer.decode(row[0].tolist()), [sure[place] for place in blanks]

    def predict(self, source: Any) -> dict[str, Any]:
        """Of each text (a file's path, or a list of texts): how many tokens, how many unknown, and the perplexity of each given all others."""
        names, texts = read_texts(source)
        answer: dict[str, list[Any]] = {"name": names, "tokens": [], "unknown": [], "perplexity": []}
        for name, text in zip(names, texts, strict=True):
            tokens = np.array(self.tokenizer.encode(formed(text, self.preprocessing["preparation"]["form"])), dtype=np.int64)
            if not len(tokens):
                raise PredictError("there is no text", where=name, remedy="give at least one character")
            log_p = log_softmax(self.between(tokens[None])[0])[np.arange(len(tokens)), tokens]
            answer["tokens"].append(len(tokens))
            answer["unknown"].append(int((tokens == UNKNOWN).sum()))
            answer["perplexity"].append(float(np.exp(-log_p.mean())))
        return answer
