"""Learning rates as pure functions of the step. With S steps in all, step 0 is the first and S − 1 the last, which reaches the end."""

from __future__ import annotations

import math

SCHEDULES: tuple[str, ...] = ("constant", "step", "cosine", "one-cycle")


def rate(schedule: str, *, base: float, step: int, steps: int, warmup: float = 0.0) -> float:
    """The learning rate of `step` (0 … steps − 1; later ones keep the last rate), at most `base`.

    Over the share `warmup` (0 … 1) of the steps the rate rises to `base` in equal parts; the schedule runs over the rest.
    """
    if not 0 <= warmup <= 1:
        raise ValueError(f"rate: warmup = {warmup} is no share from 0 to 1")
    rising = math.ceil(warmup * steps)
    if step < rising:
        return base * (step + 1) / (rising + 1)
    left = steps - rising
    share = min(1.0, (step - rising) / (left - 1)) if left > 1 else 1.0
    if schedule == "constant":
        return base
    if schedule == "step":
        return step_decay(base, share)
    if schedule == "cosine":
        return cosine(base, 0.0, share)
    if schedule == "one-cycle":
        return one_cycle(base, share)
    raise ValueError(f"rate: there is no schedule {schedule!r}; known are {', '.join(SCHEDULES)}")


def cosine(start: float, end: float, share: float) -> float:
    """From `start` (s = 0) to `end` (s = 1) along half a wave: end + (start − end)(1 + cos πs)/2 (Loshchilov & Hutter 2017)."""
    return end if share >= 1 else end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def step_decay(base: float, share: float) -> float:
    """A tenth after half of the steps, a hundredth after three quarters (He et al. 2016, section 4.2)."""
    return base if share < 0.5 else base / 10 if share < 0.75 else base / 100


def one_cycle(base: float, share: float) -> float:
    """Up from base/25 over the first 30 %, then down to base/250,000, both along cosines (Smith 2018)."""
    return cosine(base / 25, base, share / 0.3) if share < 0.3 else cosine(base, base / 250_000, (share - 0.3) / 0.7)
