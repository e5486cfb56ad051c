"""N-gram language models: unigrams, bigrams, trigrams … by counting.

    P(w | context) = (n(context, w) + ε P(w | shorter context)) / (n(context) + ε),   P(w | nothing at all) = 1/V

which mixes each order with the one below it (Jelinek & Mercer 1980; MacKay & Bauman Peto 1995). ε is worth that many
observations. With ε = 0 an unseen context falls back to the shorter one and an unseen token after a seen context has
probability 0. Tokens are whole numbers 0…V−1; before its first token a sequence has the mark BEGIN. Where sentences
end, give them an end token of their own, so that the probabilities of all sentences sum to 1.

`kneser_ney` and `add_k` are two other ways to smooth; in both n(h) = Σ_w n(h, w) and h⁻ is h without its first token:

    kneser-ney   P(w | h) = max(n(h, w) − D, 0)/n(h) + D · N₁₊(h, •)/n(h) · P(w | h⁻)
    add-k        P(w | h) = (n(h, w) + k)/(n(h) + kV)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

BEGIN = -1
# counts[n][context of n tokens][token]: how often the token followed the context.
Counts = list[dict[tuple[int, ...], dict[int, int]]]


def count(sequences: Iterable[Sequence[int]], order: int) -> Counts:
    """Counts of every n-gram up to n = `order` (1: unigrams, 2: and bigrams, 3: and trigrams)."""
    if order < 1:
        raise ValueError(f"the order of an n-gram model is at least 1, not {order}")
    padded = [np.concatenate([np.full(order - 1, BEGIN), np.asarray(sequence, int)]) for sequence in sequences]
    whole = [np.lib.stride_tricks.sliding_window_view(row, order) for row in padded if len(row) >= order]
    grams, numbers = np.unique(np.concatenate(whole) if whole else np.empty((0, order), int), axis=0, return_counts=True)
    counts: Counts = [{} for _ in range(order)]
    for gram, number in zip(grams.tolist(), numbers.tolist(), strict=True):
        for n in range(order):
            followers = counts[n].setdefault(tuple(gram[order - 1 - n : -1]), {})
            followers[gram[-1]] = followers.get(gram[-1], 0) + number
    return counts


def probabilities(counts: Counts, context: Sequence[int], *, vocabulary: int, smoothing: float = 1.0) -> np.ndarray:
    """P(· | context), shape (vocabulary,). Of the context its last order − 1 tokens count; a shorter one begins a sequence."""
    history = [BEGIN] * (len(counts) - 1) + list(context)
    p = np.full(vocabulary, 1 / vocabulary)
    for n, followers_of in enumerate(counts):
        followers = followers_of.get(tuple(history[len(history) - n :]), {})
        total = sum(followers.values())
        if total + smoothing > 0:
            p = smoothing * p
            p[list(followers)] += list(followers.values())
            p /= total + smoothing
    return p


def add_k(counts: Counts, context: Sequence[int], *, vocabulary: int, k: float = 1.0) -> np.ndarray:
    """P(· | context) by the longest context alone; k = 1 is Laplace's rule of succession."""
    order = len(counts) - 1
    history = ([BEGIN] * order + list(context))[len(context) :]
    p = np.full(vocabulary, float(k))
    for token, number in counts[order].get(tuple(history), {}).items():
        p[token] += number
    return p / p.sum() if p.sum() else np.full(vocabulary, 1 / vocabulary)


def continuations(counts: Counts) -> Counts:
    """Below the highest order: not how often a token followed a context, but in how many contexts longer by one it did."""
    out = list(counts)
    for n in range(len(counts) - 1):
        out[n] = {}
        for context, followers in counts[n + 1].items():
            shorter = out[n].setdefault(context[1:], {})
            for token in followers:
                shorter[token] = shorter.get(token, 0) + 1
    return out


def kneser_ney(continued: Counts, context: Sequence[int], *, vocabulary: int) -> np.ndarray:
    """P(· | context) by interpolated Kneser–Ney (Chen & Goodman 1998, section 2.7), from what `continuations` gives.

    D = n₁/(n₁ + 2n₂) in each order, nᵢ the number of counts that are i; ½ where no count is 1.
    """
    history = [BEGIN] * (len(continued) - 1) + list(context)
    p = np.full(vocabulary, 1 / vocabulary)
    for n, followers_of in enumerate(continued):
        numbers = [number for followers in followers_of.values() for number in followers.values()]
        once, twice = numbers.count(1), numbers.count(2)
        discount = once / (once + 2 * twice) if once else 0.5
        followers = followers_of.get(tuple(history[len(history) - n :]), {})
        if followers:
            total = sum(followers.values())
            p = discount * len(followers) / total * p
            p[list(followers)] += [max(number - discount, 0) / total for number in followers.values()]
    return p


def log_probability(counts: Counts, sequence: Sequence[int], *, vocabulary: int, smoothing: float = 1.0) -> float:
    """The log of P(w₁ … w_T): Σ log P(wₜ | the order − 1 tokens before); −∞ where a token cannot follow."""
    return _log_probability(counts, [sequence], vocabulary=vocabulary, smoothing=smoothing)


def perplexity(counts: Counts, sequences: Sequence[Sequence[int]], *, vocabulary: int, smoothing: float = 1.0) -> float:
    """exp(−mean log P(wₜ | …)) over all tokens of the sequences: V for a uniform model, 1 for one that is always right."""
    tokens = sum(len(sequence) for sequence in sequences)
    if tokens == 0:
        raise ValueError("the perplexity of no tokens is not defined")
    return float(np.exp(-_log_probability(counts, sequences, vocabulary=vocabulary, smoothing=smoothing) / tokens))


def generate(
    counts: Counts,
    length: int,
    rng: np.random.Generator,
    *,
    vocabulary: int,
    smoothing: float = 0.0,
    begin: Sequence[int] = (),
    end: int | None = None,
) -> list[int]:
    """`begin` continued by at most `length` tokens drawn from P(· | what came before); stops after `end`."""
    tokens = list(begin)
    for _ in range(length):
        p = probabilities(counts, tokens, vocabulary=vocabulary, smoothing=smoothing)
        tokens.append(int(rng.choice(vocabulary, p=p)))
        if tokens[-1] == end:
            break
    return tokens


def rank(counts: Counts, sentences: Sequence[Sequence[int]], *, vocabulary: int, smoothing: float = 1.0) -> list[tuple[int, float]]:
    """(position in `sentences`, log P), the most probable first; the first of equals comes first."""
    scores = [log_probability(counts, sentence, vocabulary=vocabulary, smoothing=smoothing) for sentence in sentences]
    return sorted(enumerate(scores), key=lambda scored: -scored[1])


def _log_probability(counts: Counts, sequences: Sequence[Sequence[int]], *, vocabulary: int, smoothing: float) -> float:
    """Each context is looked up once, however often it occurs: the held-out text is counted like the training text."""
    total = 0.0
    for context, followers in count(sequences, len(counts))[-1].items():
        p = probabilities(counts, context, vocabulary=vocabulary, smoothing=smoothing)
        with np.errstate(divide="ignore"):
            total += float(np.log(p[list(followers)]) @ np.array(list(followers.values())))
    return total
