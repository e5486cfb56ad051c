"""Numbers for people to read, and values of JSON taken for what they are or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

# What stands on an axis: whole numbers are welcome, though Python does not call them floats.
Real = int | float

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def finite(value: object) -> float | None:
    """`value` as a finite number, or None: for missing values, text, NaN and the infinities."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def count(value: object) -> int | None:
    """`value` as a whole number of things, or None."""
    number = finite(value)
    return int(number) if number is not None and number >= 0 else None


def table(value: object) -> dict[str, Any]:
    """`value` if it is a table of JSON, else an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: object) -> list[dict[str, Any]]:
    """The tables in the list `value`; an empty list for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def items(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return list(value) if isinstance(value, (list, tuple)) else []


def finites(value: object) -> list[float]:
    """The finite numbers in the list `value`."""
    return [number for number in map(finite, items(value)) if number is not None]


def text(value: object) -> str:
    """`value` as text; None is no text."""
    return "" if value is None else str(value)


def show(value: object, digits: int = 4) -> str:
    """A number with `digits` significant digits: `1,797`, `0.9815`, `3.2×10⁻⁵`; a dash where there is none."""
    number = finite(value)
    if number is None:
        return "–" if value is None or isinstance(value, (int, float)) else str(value)
    if number == int(number) and abs(number) < 10**9:
        return f"{int(number):,}".replace("-", "−")
    size = abs(number)
    if size >= 10**7 or size < 1.5e-4:
        return _scientific(number, digits)
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    shown = f"{number:,.{decimals}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return shown.replace("-", "−")


def _scientific(number: float, digits: int) -> str:
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return (power if mantissa == "1" else f"{mantissa}×{power}").replace("-", "−")


def percent(value: object, decimals: int = 1) -> str:
    """A share as per cent: 0.9815 → `98.2 %`. What is not quite all never reads 100 %, what is not quite none never 0 %."""
    number = finite(value)
    if number is None:
        return "–"
    shown = f"{100 * number:.{decimals}f}"
    while 0 < decimals < 3 and _rounded_away(number, shown):
        decimals += 1
        shown = f"{100 * number:.{decimals}f}"
    if _rounded_away(number, shown):
        least = 10.0**-decimals
        return f"> {100 - least:.{decimals}f} %" if number > 0.5 else f"< {least:.{decimals}f} %"
    if float(shown) == 0:
        shown = shown.lstrip("-")
    return f"{shown.replace('-', '−')} %"


def _rounded_away(number: float, shown: str) -> bool:
    return (float(shown) == 100 and number < 1) or (float(shown) == 0 and number > 0)


def plus_minus(mean: object, sd: object) -> str:
    """`0.1296 ± 0.0030`: both with the decimals that give the deviation two significant digits."""
    value, spread = finite(mean), finite(sd)
    if value is None or spread is None:
        return show(mean)
    if spread <= 0 or max(abs(value), spread) >= 10**9 or spread < 10**-8:
        return f"{show(value)} ± {show(spread, 2)}"
    decimals = max(0, 1 - math.floor(math.log10(spread)))
    return f"{value:,.{decimals}f} ± {spread:,.{decimals}f}".replace("-", "−")


def seconds(value: object) -> str:
    """A duration: `8.1 s`, `3 min 20 s`, `2 h 05 min`."""
    number = finite(value)
    if number is None:
        return "–"
    if number < 100:
        return f"{show(number, 2)} s"
    whole = round(number)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plural(number: object, singular: str, several: str | None = None) -> str:
    """`1 epoch`, `12 epochs`."""
    whole = finite(number)
    return f"{show(number)} {singular if whole == 1 else several or singular + 's'}"


def listing(words: Iterable[object]) -> str:
    """`a, b and c`."""
    *most, last = [str(word) for word in words] or [""]
    return f"{', '.join(most)} and {last}" if most else last
