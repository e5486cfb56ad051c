"""Schedules from the bottom are those of training, step by step."""

from __future__ import annotations

import pytest

from sonde.optim import schedules as fast
from sonde.scratch import schedules as scratch


@pytest.mark.parametrize("schedule", fast.SCHEDULES)
@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.0), (100, 0.1), (7, 0.5), (1, 0.0), (5, 1.0)])
def test_equal_to_those_of_training(schedule, steps, warmup):
    for step in range(steps + 3):
        ours = scratch.rate(schedule, base=0.3, step=step, steps=steps, warmup=warmup)
        assert ours == pytest.approx(fast.rate(schedule, base=0.3, step=step, steps=steps, warmup=warmup), rel=1e-14, abs=1e-300)


def test_the_same_names():
    assert scratch.SCHEDULES == fast.SCHEDULES


def test_ends():
    assert scratch.rate("cosine", base=0.5, step=0, steps=10) == 0.5
    assert scratch.rate("cosine", base=0.5, step=9, steps=10) == 0
    assert scratch.rate("one-cycle", base=0.5, step=0, steps=10) == pytest.approx(0.02)


def test_bad_input():
    with pytest.raises(ValueError, match="no schedule 'cosin'; known are constant, step, cosine, one-cycle"):
        scratch.rate("cosin", base=1.0, step=0, steps=2)
    with pytest.raises(ValueError, match="is no share from 0 to 1"):
        scratch.rate("cosine", base=1.0, step=0, steps=2, warmup=2.0)
