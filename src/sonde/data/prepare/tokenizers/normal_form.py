"""What the tokenizers library makes of each character before BERT's words are cut, measured from it, so that others can do the same.

Tables of Unicode grow with the years, and the library holds some of several ages: the marks that it takes for accents are fewer than those
that it puts in order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Final

from tokenizers import normalizers

from sonde.data.prepare.tokenizers.classes import BLOCK, Ranges

HANGUL: Final = range(0xAC00, 0xD7A4)  # syllables, which come apart by counting
_LOWEST, _HIGHEST = "\N{COMBINING TILDE OVERLAY}", "\N{COMBINING GREEK YPOGEGRAMMENI}"  # marks of the first and the last class


@functools.cache
def normal_form(*, lower: bool) -> dict[str, Any]:
    """Ranges of code points that go (`gone`), become a blank (`blanks`), and stand apart between two (`apart`); of uncased texts also

    - `parts`: characters that come apart into others (NFD), but for Hangul,
    - `ranks`: ranges of marks by the order in which they stand behind a letter,
    - `accents`: ranges of marks that go then,
    - `small`: characters and their small letters.
    """
    clean = _changed(normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False))
    found: dict[str, Any] = {
        "gone": _ranges(point for point, text in clean.items() if not text),
        "blanks": [[32, 32], *_ranges(point for point, text in clean.items() if text == " ")],
        "apart": _ranges(point for point, text in clean.items() if text == f" {chr(point)} "),
    }
    if not lower:
        return found
    parts = _changed(normalizers.NFD())
    stripped = _changed(normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False))
    small = _changed(normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=True))
    return found | {
        "parts": {chr(point): text for point, text in parts.items() if point not in HANGUL},
        "ranks": [_ranges(alike) for alike in _ranked([point for point in _marks() if point not in parts])],
        "accents": _ranges(point for point, text in stripped.items() if not text and point not in parts),
        "small": {chr(point): text for point, text in small.items()},
    }


def _changed(normaliser: normalizers.Normalizer, before: str = "", behind: str = "") -> dict[int, str]:
    """The code points that do not stay as they are between `before` and `behind`, and what becomes of the three."""
    found: dict[int, str] = {}
    for start in range(0, 0x110000, BLOCK):
        points = [point for point in range(start, start + BLOCK) if not 0xD800 <= point < 0xE000]  # surrogates are no characters
        if points:
            between = "0" if start else "\N{FOR ALL}"  # neither changes, and nothing becomes one
            given = [f"{before}{chr(point)}{behind}" for point in points]
            text = between.join(given)
            made = normaliser.normalize_str(text)
            if made != text:
                found |= {point: new for point, old, new in zip(points, given, made.split(between), strict=True) if new != old}
    return found


def _marks() -> list[int]:
    """The code points that are put in order: between a mark of the last class and one of the first, something moves."""
    return list(_changed(normalizers.NFD(), _HIGHEST, _LOWEST))


def _ranked(marks: list[int]) -> list[list[int]]:
    """Marks that keep their order among each other, those first that go before the others."""
    order = normalizers.NFD()

    def stays(first: int, second: int) -> bool:
        text = chr(first) + chr(second)
        return bool(order.normalize_str(text) == text)

    def compared(first: int, second: int) -> int:
        return stays(second, first) - stays(first, second)

    found: list[list[int]] = []
    for mark in sorted(marks, key=functools.cmp_to_key(compared)):
        if found and stays(mark, found[-1][0]):
            found[-1].append(mark)
        else:
            found.append([mark])
    return [sorted(alike) for alike in found]


def _ranges(points: Iterable[int]) -> Ranges:
    """First and last code points of what stands together."""
    found: Ranges = []
    for point in points:
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found
