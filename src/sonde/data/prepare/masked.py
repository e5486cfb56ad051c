"""What masked language modelling's options say of the way examples are made. It needs no PyTorch, as the doctor's checks come before it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sonde.errors import RecipeError

SHARE: Final = 0.15  # of the pieces that are to be foretold, where the task does not say
COUNTED: Final = 1_000  # documents whose pieces are counted to know about how many there are


@dataclass(frozen=True)
class Masking:
    """The task's options that decide how examples are made.

    `share` of the pieces is to be foretold; `whole_words`: all pieces of a word or none. `pairs`: an example is two texts, of which
    the second follows the first or not.
    """

    share: float = SHARE
    whole_words: bool = False
    pairs: bool = True

    @property
    def least(self) -> int:
        """Sentences of an example at least."""
        return 2 if self.pairs else 1

    @property
    def specials(self) -> int:
        """[CLS] and one [SEP] for each text."""
        return 3 if self.pairs else 2

    @staticmethod
    def of_options(options: dict[str, Any]) -> Masking:
        """From the task's options. Raises RecipeError for values that do not exist."""
        share = options.get("share", SHARE)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            remedy = "for example --set task.share=0.15"
            raise RecipeError(f"task.share = {share!r} is not a number between 0 and 1", where="task.options", remedy=remedy)
        flags = {}
        for name, usual in (("whole_words", False), ("next_sentence", True)):
            flags[name] = options.get(name, usual)
            if not isinstance(flags[name], bool):
                what = f"task.{name} = {flags[name]!r} is neither true nor false"
                raise RecipeError(what, where="task.options", remedy=f"for example --set task.{name}={str(not usual).lower()}")
        return Masking(float(share), flags["whole_words"], flags["next_sentence"])

    def to_json(self) -> dict[str, Any]:
        """Plain data: the arguments."""
        return asdict(self)
