"""BLEU: how many n-grams of a translation stand in the reference. Two forms.

`sentence_bleu` is the textbook's, of one sentence. `corpus_bleu` is the measure that papers report: clipped counts summed
over all sentences, four orders weighed alike, a brevity penalty (Papineni et al. 2002), on the standard tokenisation
`13a` of NIST's mteval script, with exponential smoothing of orders without a match: sacreBLEU's default (Post 2018).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import exp, log

ORDER = 4
_ESCAPED = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
# Punctuation stands by itself; full stops and commas only where they are not inside a number; a hyphen after a digit.
_RULES = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def tokens_13a(line: str) -> list[str]:
    """The words and marks of a line, as mteval-v13a separates them."""
    line = line.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for escaped, mark in _ESCAPED:
        line = line.replace(escaped, mark)
    line = f" {line} "
    for rule, spaced in _RULES:
        line = rule.sub(spaced, line)
    return line.split()


def ngrams(tokens: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    """How often each n-gram occurs."""
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))


def sentence_bleu(prediction: Sequence[Hashable], label: Sequence[Hashable], *, order: int = ORDER) -> float:
    """exp(min(0, 1 − len_label/len_pred)) ∏ₙ pₙ^(1/2ⁿ) over the n-grams that the prediction is long enough for; 0 … 1.

    The weights 1/2ⁿ are those of "Dive into Deep Learning".
    """
    if not prediction:
        return 0.0
    value = exp(min(0.0, 1 - len(label) / len(prediction)))
    for n in range(1, min(order, len(prediction)) + 1):
        found = ngrams(prediction, n)
        value *= ((found & ngrams(label, n)).total() / found.total()) ** (1 / 2**n)
    return value


@dataclass(frozen=True)
class Bleu:
    """A corpus's BLEU, 0 … 100, with the percentages of matching n-grams, the brevity penalty and both lengths in words."""

    score: float
    precisions: tuple[float, ...]
    brevity: float
    predicted: int
    reference: int


def corpus_bleu(predictions: Sequence[str], references: Sequence[str], *, lowercase: bool = False) -> Bleu:
    """BLEU of all lines together, one reference each. Raises ValueError where there are not as many."""
    matched, possible, predicted, reference = [0] * ORDER, [0] * ORDER, 0, 0
    for one, other in zip(predictions, references, strict=True):
        found, truth = (tokens_13a(line.lower() if lowercase else line) for line in (one.rstrip(), other.rstrip()))
        predicted, reference = predicted + len(found), reference + len(truth)
        for n in range(1, ORDER + 1):
            grams = ngrams(found, n)
            possible[n - 1] += grams.total()
            matched[n - 1] += (grams & ngrams(truth, n)).total()
    return _combined(matched, possible, predicted, reference)


def _combined(matched: list[int], possible: list[int], predicted: int, reference: int) -> Bleu:
    """The geometric mean of the four precisions; the k-th order without a match counts as 1/(2ᵏ · its n-grams)."""
    precisions, smooth = [0.0] * ORDER, 1.0
    brevity = 0.0 if predicted == 0 else min(1.0, exp(1 - reference / predicted))
    if not any(matched):
        return Bleu(0.0, tuple(precisions), brevity, predicted, reference)
    for n in range(ORDER):
        if possible[n] == 0:
            break
        if matched[n] == 0:
            smooth *= 2
            precisions[n] = 100 / (smooth * possible[n])
        else:
            precisions[n] = 100 * matched[n] / possible[n]
    # An order that no sentence is long enough for leaves a precision of 0, whose logarithm sacreBLEU takes as −9999999999.
    mean = sum(log(value) if value > 0 else -9999999999.0 for value in precisions) / ORDER
    return Bleu(brevity * exp(mean), tuple(precisions), brevity, predicted, reference)
