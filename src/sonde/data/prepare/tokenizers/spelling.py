"""The text of tokens that come one by one, without reading all of them again for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sonde.data.prepare.tokenizers import Tokenizer

REPLACED: Final = "\N{REPLACEMENT CHARACTER}"


class Spelling:
    """What tokens add to the text of those before them: together the same as `tokenizer.decode` of all at once.

    A token is read after those of the last settled piece, as how it joins them (with a blank, without one) depends on these alone. Text
    that ends with `�` may be the first bytes of a character: it is open until another token settles it.
    """

    def __init__(self, tokenizer: Tokenizer, said: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._before, self._pending = list(said), list[int]()
        self._length = len(tokenizer.decode(self._before))
        self.open = ""  # what the tokens since the last settled piece are so far

    def add(self, token: int) -> str:
        """The text that `token` settles, which may be empty or begin in tokens before it."""
        self._pending.append(token)
        self.open = self._tokenizer.decode([*self._before, *self._pending])[self._length :]
        if not self.open or self.open.endswith(REPLACED):
            return ""
        settled, self.open = self.open, ""
        alone = self._tokenizer.decode(self._pending)
        if alone:
            self._before, self._length = self._pending, len(alone)
        else:  # such as a blank that begins a text and is dropped there
            self._before = self._before + self._pending
            self._length += len(settled)
        self._pending = []
        return settled
