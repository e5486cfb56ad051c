"""What the Configs of networks for photographs have in common: a stem for small pictures, widths times a factor."""

from __future__ import annotations

from typing import Literal

Stem = Literal["auto", "photo", "small"]

# Pictures of up to so many pixels are small: a stem that divides their size by 4 would leave too little of them.
SMALL = 64


def small_stem(stem: Stem, size: int, *, up_to: int = SMALL) -> bool:
    """Whether the stem is to be the one for small pictures: as `stem` says, `auto` by the size in pixels."""
    return stem == "small" or (stem == "auto" and size <= up_to)


def scaled(width: int, scale: float) -> int:
    """`width` channels times `scale`, at least 1."""
    return max(1, round(width * scale))
