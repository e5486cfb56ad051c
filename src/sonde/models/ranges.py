"""Which numbers the values of a model may be: asked once, wherever a Config is made of what a recipe says.

A name means the same in every model that has it, so that the name decides; where a few files mean something else by one, `OWN` says so.
Numbers that contradict each other, such as a width that the heads do not divide, are for the model's own file to refuse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sonde.errors import RecipeError


class Range(NamedTuple):
    """The numbers that `holds` is true of, and these in words. NaN is in none."""

    words: str
    holds: Callable[[float], bool]


COUNT = Range("a whole number of at least 1", lambda x: x >= 1)
FROM_0 = Range("a whole number of at least 0", lambda x: x >= 0)
DROPPED = Range("a number from 0 to under 1", lambda x: 0 <= x < 1)
SHARE = Range("a number from 0 to 1", lambda x: 0 <= x <= 1)
POSITIVE = Range("a number over 0", lambda x: 0 < x < math.inf)
NOT_NEGATIVE = Range("a number of at least 0", lambda x: 0 <= x < math.inf)

# Sizes that the data decide, and 0 until they have. They do not travel with a recipe or with weights.
OF_THE_DATA = ("channels", "size", "classes", "numbers", "categories", "outputs")

# field → its range. A field that is missing here has no numbers, or only those that its type lists.
RANGES: dict[str, Range] = {
    **dict.fromkeys((*OF_THE_DATA, "vocabulary", "separator"), FROM_0),
    # How wide and how deep.
    **dict.fromkeys(("width", "widths", "widen", "filters", "dense", "neck", "mask", "pyramid", "pyramid_width"), COUNT),
    **dict.fromkeys(("blocks", "layers", "heads", "towers"), COUNT),
    "extras": Range("a whole number of at least 2", lambda x: x >= 2),  # half of them stand in between
    "depth": FROM_0,  # 0: linear
    "hidden": FROM_0,  # 0: 4 × width
    "embedding": FROM_0,  # 0: one-hot
    "buckets": FROM_0,  # 0: words alone
    "scale": POSITIVE,
    # What is read, and how far.
    **dict.fromkeys(("window", "order", "length", "words", "patches", "stride", "rates"), COUNT),
    "after": FROM_0,
    "padding": FROM_0,
    "grid": FROM_0,  # 0: the map as it is
    "halvings": Range("a whole number from 0 to 5", lambda x: 0 <= x <= 5),
    "warp": Range("a whole number of at least 32", lambda x: x >= 32),  # what five halvings leave a pixel of
    # What is left out, added and weighed in training.
    **dict.fromkeys(("dropout", "attention_dropout", "recurrent_dropout", "auxiliary_dropout"), DROPPED),
    **dict.fromkeys(("k", "ridge", "eps", "focus", "class_weights"), NOT_NEGATIVE),
    "c": POSITIVE,
    # Detectors: anchors, what is proposed and sampled, what is kept.
    **dict.fromkeys(("scales", "ratios"), POSITIVE),
    **dict.fromkeys(("anchor", "boxes", "places", "before", "proposals", "regions", "most"), COUNT),
    **dict.fromkeys(("score", "overlap", "lowest", "background"), SHARE),
}

# file.field → what the field may be there.
OWN: dict[str, Range] = {
    "markov.embedding": COUNT,
    "seq2seq.hidden": COUNT,
    "yolo_v1.grid": COUNT,
    "faster_rcnn.after": COUNT,
    "mask_rcnn.after": COUNT,
}

# Lists of which nothing may be left; others of no set length have at least one entry.
MAY_BE_EMPTY = ("categories", "class_weights", "extras", "rates", "width")


def range_of(file: str, field: str) -> Range | None:
    """What `field` may be in the models of `file` ("alexnet"); None where its type alone decides."""
    return OWN.get(f"{file}.{field}", RANGES.get(field))


def check(name: str, file: str, values: dict[str, Any], usual: dict[str, Any]) -> None:
    """Look at all of a Config's values.

    Args:
        name: the model, for the message.
        file: the file that it stands in.
        values: of the Config, by field.
        usual: those that the model has where nothing is said.

    Raises RecipeError for the first value that is out of its range: which, what it is and what is allowed.
    """
    for field, value in values.items():
        if value == () and field not in MAY_BE_EMPTY:
            remedy = _remedy(name, field, "at least one entry", usual)
            raise RecipeError(f"model.{field} = []: a list without entries", where="model.config", remedy=remedy)
        allowed = range_of(file, field)
        wrong = None if allowed is None else next((number for number in _numbers(value) if not allowed.holds(number)), None)
        if allowed is None or wrong is None:
            continue
        several = isinstance(value, tuple)
        what = f"model.{field} = {_shown(value)}{f': {_shown(wrong)}' if several else ''} is out of range"
        words = f"a list in which each is {allowed.words}" if several else allowed.words
        raise RecipeError(what, where="model.config", remedy=_remedy(name, field, words, usual))


def _remedy(name: str, field: str, words: str, usual: dict[str, Any]) -> str:
    """What is allowed, with what stands there otherwise for an example, unless that is for the data, or the model, to decide."""
    default = usual[field]
    return f"give {words}" + (f"; {name} has {_shown(default)} where nothing is said" if default else "")


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value, which may be a list of lists. Words, truths and None are none."""
    if isinstance(value, tuple):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def _shown(value: Any) -> str:
    """A value as the command line spells it."""
    return f"[{', '.join(_shown(each) for each in value)}]" if isinstance(value, tuple) else str(value)
