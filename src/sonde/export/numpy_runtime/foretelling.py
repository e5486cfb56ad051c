"""Scores of the next token: from a state that goes from token to token, or from all tokens so far, read anew each time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .graph import Graph

State = tuple[np.ndarray, ...]
ALPHA = 0.75  # a text of L tokens, the end counted, is ranked by log P / L^ALPHA


class Foretelling:
    """`described`: {"state": shapes} where the graph takes one token (row, 1) and a state of one size, and gives logits (row, token) and the
    next state; {"looks_back": L} where it takes L tokens (row, L), padded after the last, and gives logits (row, L, token)."""

    def __init__(self, graph: Graph, described: dict[str, Any]) -> None:
        self.graph, self.described = graph, described

    def first(self, rows: int) -> State:
        """The state before the first token, of a model that begins from nothing."""
        if "looks_back" in self.described:
            return (np.zeros((rows, 0), dtype=np.int64),)
        return tuple(np.full((rows, *shape), self.described["first"], dtype=self.described["dtype"]) for shape in self.described["state"])

    def __call__(self, tokens: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """Logits (row, step, token) after each of `tokens` int64 (row, step), and the state to go on from, whose first axes are the rows."""
        return self._anew(tokens, state) if "looks_back" in self.described else self._step_by_step(tokens, state)

    def _step_by_step(self, tokens: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        found = []
        for step in range(tokens.shape[1]):
            logits, *rest = self.graph.run(tokens[:, step : step + 1], *state)
            found.append(logits)
            state = tuple(rest)
        return np.stack(found, axis=1), state

    def _anew(self, tokens: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """The state's first part is what has been read, the others (those of a source) stay. Where L tokens are read, the last `kept` go on."""
        length, kept = self.described["looks_back"], self.described["kept"]
        said, *others = state
        found, place = [], 0
        while place < tokens.shape[1]:
            if said.shape[1] >= length:
                said = said[:, said.shape[1] - kept :]
            piece = tokens[:, place : place + length - said.shape[1]]
            before, said = said.shape[1], np.concatenate([said, piece], axis=1)
            padded = np.pad(said, ((0, 0), (0, length - said.shape[1])))  # no token sees what stands after it
            found.append(self.graph.run(padded, *others)[0][:, before : said.shape[1]])
            place += piece.shape[1]
        return np.concatenate(found, axis=1), (said, *others)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Ln of the probabilities along the last axis, float64."""
    shifted: np.ndarray = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def likeliest(
    advance: Foretelling, prompt: np.ndarray, state: State, *, length: int, end: int, never: tuple[int, ...]
) -> Iterator[list[int]]:
    """Of each row of `prompt` (row, step) the tokens after it, the likeliest each time, until its `end` or `length` of them."""
    tokens, written, ended = prompt, np.zeros((len(prompt), 0), dtype=np.int64), np.zeros(len(prompt), dtype=bool)
    for _ in range(length):
        logits, state = advance(tokens, state)
        tokens = _without(logits[:, -1], never).argmax(axis=1)[:, None]
        written = np.concatenate([written, tokens], axis=1)
        ended |= tokens[:, 0] == end
        if ended.all():
            break
    for row in written.tolist():
        yield row[: row.index(end)] if end in row else row


def beam_search(
    advance: Foretelling, prompt: np.ndarray, state: State, *, width: int, length: int, end: int, never: tuple[int, ...]
) -> list[int]:
    """The best tokens after `prompt` (1, step) by log P / L^α: of all extensions the `width` best are pursued, and those that end leave."""
    logits, state = advance(prompt, state)
    beams: list[list[int]] = [[]]
    scores = np.zeros(1)
    done: list[tuple[float, list[int]]] = []
    for step in range(1, length + 1):
        log_p = scores[:, None] + log_softmax(_without(logits[:, -1], never))
        tokens = log_p.shape[1]
        chosen = np.argsort(-log_p, axis=None, kind="stable")[:width]  # of equals the earlier beam, then the smaller token
        chosen = chosen[np.isfinite(log_p.flat[chosen])]
        longer = [(beams[place // tokens] + [int(place % tokens)], float(log_p.flat[place]), int(place // tokens)) for place in chosen]
        over = [(score / step**ALPHA, text) for text, score, _ in longer if text[-1] == end or step == length]
        done = sorted(done + over, key=lambda each: -each[0])[:width]
        longer = [each for each in longer if each[0][-1] != end and step < length]
        if not longer or (len(done) == width and longer[0][1] / length**ALPHA <= done[-1][0]):
            break
        beams, scores = [text for text, _, _ in longer], np.array([score for _, score, _ in longer])
        state = tuple(part[[beam for _, _, beam in longer]] for part in state)
        logits, state = advance(np.array([text[-1:] for text in beams]), state)
    return [token for token in done[0][1] if token != end] if done else []


def _without(logits: np.ndarray, never: tuple[int, ...]) -> np.ndarray:
    """Logits float64 (row, token), those that are never written at −∞."""
    scores = logits.astype(np.float64)
    scores[:, list(never)] = -np.inf
    return scores
