"""Learning rates as pure functions of the step, so that a run resumed anywhere goes on with the same ones.

With S steps in all, step 0 is the first and S − 1 the last, which reaches the end value exactly.
"""

from __future__ import annotations

import math

from sonde.errors import RecipeError, did_you_mean

SCHEDULES: tuple[str, ...] = ("constant", "step", "cosine", "one-cycle")


def rate(schedule: str, *, base: float, step: int, steps: int, warmup: float = 0.0) -> float:
    """The learning rate of `step` (0 … steps − 1; later ones keep the last rate).

    `base` is the largest rate. `warmup` (0 … 1) is the share of the steps over which the rate first rises from near 0
    to `base` in equal parts; the schedule then runs over the rest. Raises RecipeError for an unknown name and for a
    `warmup` outside [0, 1].
    """
    if not 0 <= warmup <= 1:
        raise RecipeError(f"warmup = {warmup} is no share", where="optim.warmup", remedy="give a number from 0 to 1, such as 0.1")
    rising = math.ceil(warmup * steps)
    if step < rising:
        return base * (step + 1) / (rising + 1)
    return after_warmup(schedule, base=base, share=_share(step - rising, steps - rising))


def after_warmup(schedule: str, *, base: float, share: float) -> float:
    """The learning rate when `share` (0 … 1) of the schedule is done; a time budget gives the share of time instead."""
    if schedule == "constant":
        return base
    if schedule == "step":
        return step_decay(base, share)
    if schedule == "cosine":
        return cosine(base, 0.0, share)
    if schedule == "one-cycle":
        return one_cycle(base, share)
    raise RecipeError(f"there is no schedule {schedule!r}", where="optim.schedule", remedy=did_you_mean(schedule, SCHEDULES))


def cosine(start: float, end: float, share: float) -> float:
    """From `start` (share 0) to `end` (share 1) along half a cosine wave (Loshchilov & Hutter 2017)."""
    if share >= 1:
        return end
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def step_decay(base: float, share: float) -> float:
    """A tenth after half of the steps and a hundredth after three quarters (He et al. 2016, section 4.2)."""
    if share < 0.5:
        return base
    return base / 10 if share < 0.75 else base / 100


def one_cycle(base: float, share: float) -> float:
    """Up from base/25 to `base` over the first 30 %, then down to base/250,000, both along cosines (Smith 2018)."""
    if share < 0.3:
        return cosine(base / 25, base, share / 0.3)
    return cosine(base, base / 250_000, (share - 0.3) / 0.7)


def _share(done: int, steps: int) -> float:
    return 1.0 if steps <= 1 else min(1.0, done / (steps - 1))
