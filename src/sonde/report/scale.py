"""From values to places on an axis, and the round values that the axis is marked with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sonde.report.numbers import Real, show

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    value: Real
    label: str


ALIKE = 1e-6  # values that differ by less, relative to them, differ by float32's rounding


@dataclass(frozen=True)
class Scale:
    """`low … high` spread over `start … end` (start may be the larger: y grows downwards in a drawing)."""

    low: Real
    high: Real
    start: Real
    end: Real
    ticks: tuple[Tick, ...]
    log: bool = False

    def place(self, value: Real) -> float:
        """Where `value` stands; values beyond the ends stand a little outside them, so that nothing is drawn far away."""
        low, high = self.low, self.high
        if self.log:
            value = math.log(max(value, 1e-300))
            low, high = math.log(low), math.log(high)
        share = min(max((value - low) / (high - low), -0.02), 1.02)
        return self.start + share * (self.end - self.start)


def linear(
    values: Iterable[Real],
    start: Real,
    end: Real,
    *,
    include: Sequence[Real] = (),
    count: int = 5,
    tight: bool = False,
    percent: bool = False,
    whole: bool = False,
) -> Scale:
    """A linear axis over `values` and `include`, widened to round values; `tight` keeps the ends where the values end.

    `whole`: marks only at whole numbers, where the axis holds two of them.
    """
    low, high = _range([*values, *include])
    if high - low <= ALIKE * max(abs(low), abs(high)):
        room = abs(high) * 0.1 or 1.0
        low, high = high - room, high + room
    step = nice_step((high - low) / count)
    if whole and math.floor(high) > math.ceil(low):
        step = max(step, 1.0)
    if not tight:
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(low, high, start, end, tuple(_linear_ticks(low, high, step, percent)))


def logarithmic(values: Iterable[Real], start: Real, end: Real, *, include: Sequence[Real] = ()) -> Scale:
    """A logarithmic axis over the positive ones of `values`, from and to 1, 2 or 5 times a power of ten."""
    low, high = _range([value for value in [*values, *include] if value > 0] or [1.0])
    marks = [
        digit * 10.0**power for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2) for digit in (1, 2, 5)
    ]
    low = max(mark for mark in marks if mark <= low * 1.0000001)
    high = min(mark for mark in marks if mark >= high * 0.9999999 and mark > low)
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(powers) < 3:
        chosen = [mark for mark in marks if low * 0.999 <= mark <= high * 1.001]
        return Scale(low, high, start, end, tuple(Tick(mark, show(mark, 2)) for mark in chosen), log=True)
    ticks = tuple(Tick(10.0**power, _power(power)) for power in powers[:: max(1, math.ceil(len(powers) / 7))])
    return Scale(low, high, start, end, ticks, log=True)


def dated(days: Sequence[date], start: Real, end: Real, *, count: int = 5) -> Scale:
    """An axis of dates; a date's value is its ordinal. Marked at round days, months or years."""
    first, last = min(days), max(days)
    if first == last:
        first, last = first - timedelta(1), last + timedelta(1)
    span = (last - first).days / count
    if span >= 250:
        every = next((years for years in (1, 2, 5, 10, 20, 50) if years * 365 >= span * 0.8), 100)
        marks = [date(year, 1, 1) for year in range(first.year, last.year + 2) if year % every == 0 and year <= 9999]
        ticks = [Tick(mark.toordinal(), str(mark.year)) for mark in marks]
    elif span >= 20:
        every = next(months for months in (1, 2, 3, 6, 12) if months * 30.5 >= span * 0.8)
        marks = [date(year, month, 1) for year in range(first.year, last.year + 1) for month in range(1, 13, every)]
        ticks = [Tick(mark.toordinal(), f"{_MONTHS[mark.month - 1]} {mark.year}") for mark in marks]
    else:
        every = next(days for days in (1, 2, 5, 10, 20) if days >= span * 0.8)
        ordinals = range(first.toordinal(), last.toordinal() + 1, every)
        ticks = [Tick(day, _day(day)) for day in ordinals]
    low, high = first.toordinal(), last.toordinal()
    return Scale(low, high, start, end, tuple(tick for tick in ticks if low <= tick.value <= high))


def nice_step(step: Real) -> float:
    """The next of 1, 2, 5 times a power of ten from `step` up."""
    if not step > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= step * 0.9999999), 10 * power)


def _linear_ticks(low: Real, high: Real, step: Real, percent: bool) -> list[Tick]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 20:  # far from zero a step can be smaller than what a float can tell apart
        return [Tick(low, show(low)), Tick(high, show(high))]
    largest = max(abs(low), abs(high))
    if percent:
        unit, letter = 0.01, " %"
    elif largest >= 1e9 or largest < 1e-3:
        return [Tick(index * step, show(float(f"{index * step:.6g}"), 3)) for index in range(first, last + 1)]
    else:
        unit, letter = (1e6, "M") if largest >= 1e6 else (1e3, "k") if largest >= 1e4 else (1.0, "")
    decimals = max(0, -math.floor(math.log10(step / unit) + 1e-9))
    return [Tick(index * step, _label(index * step / unit, decimals, letter)) for index in range(first, last + 1)]


def _label(value: Real, decimals: int, letter: str) -> str:
    shown = f"{value:,.{decimals}f}"
    if not shown.strip("-0.,"):
        return "0" + (letter if letter == " %" else "")
    return shown.replace("-", "−") + letter


def _day(ordinal: int) -> str:
    day = date.fromordinal(ordinal)
    return f"{day.day} {_MONTHS[day.month - 1]}"


def _range(values: Sequence[Real]) -> tuple[Real, Real]:
    return (min(values), max(values)) if values else (0.0, 1.0)


def _power(power: int) -> str:
    return f"{10**power:,}" if 0 <= power <= 3 else f"{10.0**power:g}" if -3 <= power < 0 else show(10.0**power, 1)
