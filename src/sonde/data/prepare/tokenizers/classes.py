"""Which characters the tokenizers library takes for letters, numbers and marks, so that others can cut words as it does."""

from __future__ import annotations

import functools
from typing import Final

from tokenizers import pre_tokenizers

BLOCK: Final = 2_048  # code points that are looked at together at first

Ranges = list[list[int]]  # first and last code points


@functools.cache
def character_classes(tokenizer: str) -> dict[str, Ranges]:
    """For `bpe` the ranges of `letters` and `numbers`, for `wordpiece` and `bert` those of `marks`, which are words by themselves; else nothing."""
    if tokenizer == "bpe":
        found = _classed(pre_tokenizers.ByteLevel(add_prefix_space=False), "!a1")
        return {"letters": found["a"], "numbers": found["1"]}
    if tokenizer in ("wordpiece", "bert"):
        found = _classed(pre_tokenizers.BertPreTokenizer(), "a")
        return {"marks": found["alone"]}
    return {}


def _classed(cut: pre_tokenizers.PreTokenizer, kinds: str) -> dict[str, Ranges]:
    """All code points by the first of `kinds`, characters, that they make one word with; `alone` where they make none, and are no blanks.

    Neighbours are mostly alike, so that whole blocks are tried, and cut in halves where they are not.
    """
    found: dict[str, Ranges] = {kind: [] for kind in (*kinds, "alone")}
    # Surrogates are no characters.
    waiting = [(start, start + BLOCK) for start in range(0x110000 - BLOCK, -1, -BLOCK) if not 0xD800 <= start < 0xE000]
    while waiting:
        start, stop = waiting.pop()
        text = "".join(map(chr, range(start, stop)))
        kind = next((kind for kind in kinds if len(cut.pre_tokenize_str(kind + text)) == 1 and not text[-1].isspace()), None)
        if kind is None and stop - start > 1:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
        elif kind is not None or not text.isspace():
            ranges = found["alone" if kind is None else kind]
            if ranges and ranges[-1][1] == start - 1:
                ranges[-1][1] = stop - 1
            else:
                ranges.append([start, stop - 1])
    return found
