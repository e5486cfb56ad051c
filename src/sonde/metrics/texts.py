"""Measures that compare texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from sonde.metrics.bleu import corpus_bleu


@runtime_checkable
class TextMetric(Protocol):
    """A measure of texts that were written against texts as they should be: computed once, from those of all examples.

    The right texts are those of the data, not what a vocabulary has left of them.
    """

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which way is good."""
        ...

    def of_texts(self, written: Sequence[str], right: Any) -> float:
        """The measure; NaN where it is undefined. `right` has a text for each that was written, or of questions all right answers."""
        ...


@dataclass(frozen=True)
class TextBleu:
    """sacreBLEU's corpus BLEU, 0 … 100 (see metrics/bleu.py)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def of_texts(self, written: Sequence[str], right: Sequence[str]) -> float:
        """BLEU of all texts together."""
        return corpus_bleu(written, right).score
