"""Pairs of what counts, mixes, makes and judges sentences: n-grams, a mixture's weights, beam search, BLEU."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sonde.metrics.bleu import sentence_bleu
from sonde.models import ngram as fast_ngram
from sonde.ops.beam_search import beam_search as fast_beam_search
from sonde.ops.decode import State
from sonde.ops.mixture import mixture_weights as fast_mixture_weights
from sonde.scratch import ngram as scratch_ngram
from sonde.scratch.beam_search import beam_search as scratch_beam_search
from sonde.scratch.bleu import bleu as scratch_bleu
from sonde.scratch.mixture import mixture_weights as scratch_mixture_weights
from sonde.verify.cases import draw
from sonde.verify.pair import Array, Case, Pair

END = 0
TOKENS = 9
Smoothing = Literal["kneser-ney", "mixed", "add-k"]
SMOOTHINGS: tuple[Smoothing, ...] = ("kneser-ney", "mixed", "add-k")


def n_gram() -> Pair:
    """P(· | context) after a text, by each way of smoothing; contexts never seen, the beginning of a text, tokens that never occur."""

    def fast(text: Tensor, said: Tensor, order: int, smoothing: Smoothing, k: float = 1.0) -> Tensor:
        model = fast_ngram.build(fast_ngram.Config(vocabulary=TOKENS, outputs=TOKENS, order=order, smoothing=smoothing, k=k))
        model.double().count(text)
        return model.advance(said[None], None)[0][0].exp()

    def scratch(text: Array, said: Array, order: int, smoothing: str, k: float = 1.0) -> Array:
        counts = scratch_ngram.count([text.tolist()], order)
        before = said.tolist()
        if smoothing == "kneser-ney":
            continued = scratch_ngram.continuations(counts)
            rows = [scratch_ngram.kneser_ney(continued, before[:i], vocabulary=TOKENS) for i in range(1, len(said) + 1)]
        elif smoothing == "add-k":
            rows = [scratch_ngram.add_k(counts, before[:i], vocabulary=TOKENS, k=k) for i in range(1, len(said) + 1)]
        else:
            rows = [scratch_ngram.probabilities(counts, before[:i], vocabulary=TOKENS, smoothing=k) for i in range(1, len(said) + 1)]
        return np.stack(rows)

    text = np.abs(draw("text", (300,)) * 3).astype(np.int64) % (TOKENS - 2)  # two tokens never occur
    said = np.concatenate([text[:6], [TOKENS - 1, TOKENS - 2], text[40:52]])
    given = {"text": text, "said": said}
    cases = [Case(f"{smoothing}, order {n}", given, {"order": n, "smoothing": smoothing}) for n in (1, 2, 3, 5) for smoothing in SMOOTHINGS]
    cases.append(Case("little smoothing", given, {"order": 3, "smoothing": "mixed", "k": 0.01}))
    return Pair(scratch, fast, cases, "sonde.models.ngram", gradients=False)


def mixture_weights() -> Pair:
    """Weights after some rounds; a model that is right about everything, one that finds some of it impossible."""

    def fast(p: Tensor, rounds: int) -> Tensor:
        return fast_mixture_weights(p.log(), rounds=rounds)

    p = np.abs(draw("p", (3, 40))) + 0.01
    better, impossible = p.copy(), p.copy()
    better[1] += 5
    impossible[2, ::2] = 0
    cases = [
        Case("one round", {"p": p}, {"rounds": 1}),
        Case("ten rounds", {"p": p}, {"rounds": 10}),
        Case("one is better", {"p": better}, {"rounds": 10}),
        Case("some is impossible to one", {"p": impossible}, {"rounds": 10}),
        Case("one model", {"p": p[:1]}, {"rounds": 2}),
    ]
    return Pair(scratch_mixture_weights, fast, cases, "sonde.ops.mixture", gradients=False)


def beam_search() -> Pair:
    """The same candidates with the same scores, under a model whose next token depends on the last two; one row and several."""

    def fast(logits: Tensor, width: int, steps: int) -> tuple[Tensor, ...]:
        rows = len(logits)

        def advance(tokens: Tensor, state: State) -> tuple[Tensor, State]:
            """Row r of the state: which of the tables, and the token before the last one."""
            which, before = (torch.arange(rows), torch.zeros(rows, dtype=torch.int64)) if state is None else state
            assert isinstance(which, Tensor)
            assert isinstance(before, Tensor)
            return logits[which, before, tokens[:, -1]][:, None], (which, tokens[:, -1])

        found = fast_beam_search(advance, torch.zeros((rows, 1), dtype=torch.int64), None, width=width, length=steps, end=END, pad=-1)
        missing = found.scores == float("-inf")
        return found.scores.masked_fill(missing, 0.0), found.tokens.masked_fill(missing[:, :, None], -1)

    def scratch(logits: Array, width: int, steps: int) -> tuple[Array, ...]:
        shift = logits - logits.max(-1, keepdims=True)
        log_p = shift - np.log(np.exp(shift).sum(-1, keepdims=True))
        scores, tokens = np.zeros((len(logits), width)), np.full((len(logits), width, steps), -1)
        for row, table in enumerate(log_p):

            def model(prefixes: Array, table: Array = table) -> Array:
                before = np.concatenate([np.zeros((len(prefixes), 2), int), prefixes], axis=1)
                return np.asarray(table[before[:, -2], before[:, -1]])

            for place, candidate in enumerate(scratch_beam_search(model, width=width, steps=steps, end=END)[:width]):
                scores[row, place] = candidate.score
                tokens[row, place, : len(candidate.tokens)] = candidate.tokens
        return scores, tokens

    logits = draw("logits", (3, 7, 7, 7)) * 2
    unlikely = logits.copy()
    unlikely[..., END] -= 8  # hardly ever ends: the length decides
    cases = [
        Case("width 4", {"logits": logits}, {"width": 4, "steps": 6}),
        Case("greedy", {"logits": logits}, {"width": 1, "steps": 6}),
        Case("wider than the vocabulary", {"logits": logits}, {"width": 12, "steps": 3}),
        Case("never ends", {"logits": unlikely}, {"width": 3, "steps": 5}),
        Case("one step", {"logits": logits}, {"width": 2, "steps": 1}),
    ]
    return Pair(scratch, fast, cases, "sonde.ops.beam_search", gradients=False)


def bleu() -> Pair:
    """The textbook's BLEU of a sentence."""

    def fast(prediction: Tensor, label: Tensor) -> Tensor:
        return torch.tensor(sentence_bleu(prediction.tolist(), label.tolist()), dtype=torch.float64)

    def scratch(prediction: Array, label: Array) -> Array:
        return np.array(scratch_bleu(prediction.tolist(), label.tolist()))

    def some(*tokens: int) -> Array:
        return np.array(tokens, dtype=np.int64)

    cases = [
        Case("A B B C D for A B C D E F", {"prediction": some(1, 2, 2, 3, 4), "label": some(1, 2, 3, 4, 5, 6)}),
        Case("a word again and again", {"prediction": some(1, 1, 1, 1, 1), "label": some(1, 2, 3, 1, 1)}),
        Case("the label itself", {"prediction": some(5, 4, 3, 2, 1), "label": some(5, 4, 3, 2, 1)}),
        Case("one word", {"prediction": some(1), "label": some(1, 2, 3)}),
        Case("nothing", {"prediction": some(), "label": some(1, 2, 3)}),
    ]
    return Pair(scratch, fast, cases, "sonde.metrics.bleu", gradients=False)
