"""Exact match and F1 of answers to questions, as SQuAD's own script counts them (Rajpurkar et al. 2016, section 6.1).

Answers are compared in small letters, without ASCII punctuation, without the articles a, an and the, and with single blanks. Of
several right answers the best counts. Where there is no right answer, no answer (an empty text) is right (Rajpurkar et al. 2018).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """The form in which answers are compared."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, right: str) -> float:
    """1 where both are the same in normalised form, else 0."""
    return float(normalised(answer) == normalised(right))


def f1(answer: str, right: str) -> float:
    """The harmonic mean of the shares of words that both have; where either has no word, 1 if both have none, else 0."""
    found, wanted = normalised(answer).split(), normalised(right).split()
    if not found or not wanted:
        return float(found == wanted)
    same = sum((Counter(found) & Counter(wanted)).values())
    return 2 * same / (len(found) + len(wanted)) if same else 0.0


def over_questions(score: Callable[[str, str], float], written: Sequence[str], right: Sequence[Sequence[str] | str]) -> float:
    """The mean over questions of the best score over their right answers, 0 … 1; NaN where there is no question.

    A right answer without a word (the article alone) does not count beside others.
    """
    total = 0.0
    for answer, known in zip(written, right, strict=True):
        several = [known] if isinstance(known, str) else list(known)
        total += max(score(answer, one) for one in [one for one in several if normalised(one)] or [""])
    return total / len(written) if written else float("nan")


@dataclass(frozen=True)
class ExactMatch:
    """Share of the questions whose answer is a right one."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def of_texts(self, written: Sequence[str], right: Sequence[Sequence[str]]) -> float:
        """The measure; `right` has the right answers to each question."""
        return over_questions(exact_match, written, right)


@dataclass(frozen=True)
class AnswerF1:
    """Mean over questions of the F1 of the answer's words."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def of_texts(self, written: Sequence[str], right: Sequence[Sequence[str]]) -> float:
        """The measure; `right` has the right answers to each question."""
        return over_questions(f1, written, right)
