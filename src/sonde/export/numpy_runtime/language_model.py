"""A language model that is run token by token: the state goes from each step to the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from .foretelling import Foretelling, State, log_softmax
from .graph import Graph
from .problem import PredictError
from .subwords import SPECIALS, UNKNOWN
from .text import formed, read_texts, tokenizer_of


class LanguageModel:
    """What `load` gives for a language model."""

    def __init__(self, graph: Graph, preprocessing: dict[str, Any]) -> None:
        self.preprocessing, self.advance = preprocessing, Foretelling(graph, preprocessing["decoder"])
        self.tokenizer = tokenizer_of(preprocessing["preparation"])

    def read(self, tokens: np.ndarray, state: State | None = None) -> tuple[np.ndarray, State]:
        """Logits (row, step, token) after each of `tokens` int64 (row, step), and the state to go on from (None: the first one)."""
        return self.advance(tokens, self.advance.first(len(tokens)) if state is None else state)

    def write(self, prompt: str = "", *, length: int = 200, temperature: float = 0.0, seed: int = 0) -> str:
        """What the model writes after `prompt`: `length` tokens, the likeliest each time, or drawn at a `temperature` above 0."""
        draw = np.random.default_rng(seed)
        prompt = prompt or "\n"
        said = self._tokens(prompt, "the prompt")
        logits, state = self.read(said[None])
        written: list[int] = []
        while len(written) < length:
            scores = logits[0, -1].astype(np.float64)
            scores[:SPECIALS] = -np.inf  # running text has no padding, no beginning and no end
            if temperature > 0:
                p = np.exp((scores - scores.max()) / temperature)
                written.append(int(draw.choice(len(p), p=p / p.sum())))
            else:
                written.append(int(scores.argmax()))
            logits, state = self.read(np.array([written[-1:]]), state)
        # Decoded after the prompt, as a piece may go on with its last word, or with a letter of several bytes.
        return self.tokenizer.decode([*said.tolist(), *written])[len(self.tokenizer.decode(said.tolist())) :]

    def predict(self, source: Any) -> dict[str, Any]:
        """Of each text (a file's path, or a list of texts): how many tokens, their perplexity given those before, and the likeliest next piece."""
        names, texts = read_texts(source)
        answer: dict[str, list[Any]] = {"name": names, "tokens": [], "unknown": [], "perplexity": [], "prediction": [], "probability": []}
        for name, text in zip(names, texts, strict=True):
            tokens = self._tokens(text, name)
            log_p = log_softmax(self.read(tokens[None])[0][0])
            following = log_p[np.arange(len(tokens) - 1), tokens[1:]]
            answer["tokens"].append(len(tokens))
            answer["unknown"].append(int((tokens == UNKNOWN).sum()))
            answer["perplexity"].append(float(np.exp(-following.mean())) if len(following) else float("nan"))
            answer["prediction"].append(self.tokenizer.decode([int(log_p[-1].argmax())]))
            answer["probability"].append(float(np.exp(log_p[-1].max())))
        return answer

    def _tokens(self, text: str, where: str) -> np.ndarray:
        tokens = np.array(self.tokenizer.encode(formed(text, self.preprocessing["preparation"]["form"])), dtype=np.int64)
        if not len(tokens):
            raise PredictError("there is no text", where=where, remedy="give at least one character")
        return tokens
