"""Schedules are pure functions with exact ends."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.errors import RecipeError
from sonde.optim.schedules import SCHEDULES, rate

BASE = 0.3


def _all(schedule: str, steps: int, warmup: float = 0.0) -> list[float]:
    return [rate(schedule, base=BASE, step=step, steps=steps, warmup=warmup) for step in range(steps)]


def test_constant() -> None:
    assert set(_all("constant", 7)) == {BASE}


def test_step_falls_at_half_and_three_quarters() -> None:
    rates = _all("step", 101)
    assert (rates[49], rates[50], rates[74], rates[75], rates[100]) == (BASE, BASE / 10, BASE / 10, BASE / 100, BASE / 100)


def test_cosine_starts_at_base_passes_half_and_ends_at_zero_exactly() -> None:
    rates = _all("cosine", 101)
    assert rates[0] == BASE
    assert rates[50] == pytest.approx(BASE / 2)
    assert rates[-1] == 0
    assert all(a > b for a, b in itertools.pairwise(rates))


def test_one_cycle_rises_for_three_tenths_and_ends_low() -> None:
    rates = _all("one-cycle", 101)
    assert rates[0] == pytest.approx(BASE / 25)
    assert rates[30] == BASE == max(rates)
    assert rates[-1] == BASE / 250_000


def test_warmup_rises_in_equal_parts_to_base() -> None:
    rates = _all("cosine", 100, warmup=0.1)
    rises = [b - a for a, b in zip([0.0, *rates], rates[:11], strict=False)]
    assert rises == pytest.approx([BASE / 11] * 11)
    assert rates[10] == BASE
    assert rates[-1] == 0


@given(schedule=st.sampled_from(SCHEDULES), steps=st.integers(1, 200), warmup=st.floats(0, 1), step=st.integers(0, 400))
def test_never_negative_never_above_base_and_still_after_the_end(schedule: str, steps: int, warmup: float, step: int) -> None:
    value = rate(schedule, base=BASE, step=step, steps=steps, warmup=warmup)
    assert 0 <= value <= BASE
    assert math.isfinite(value)
    if step >= steps > math.ceil(warmup * steps):
        assert value == rate(schedule, base=BASE, step=steps - 1, steps=steps, warmup=warmup)


def test_messages() -> None:
    with pytest.raises(RecipeError, match=r"no schedule 'cosin'\n.*did you mean 'cosine'"):
        rate("cosin", base=1.0, step=0, steps=1)
    with pytest.raises(RecipeError, match=r"warmup = 3.0 is no share"):
        rate("cosine", base=1.0, step=0, steps=1, warmup=3.0)
