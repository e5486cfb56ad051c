"""What the loop remembers of its epochs, and when a run that was stopped goes on."""

from __future__ import annotations

from typing import Any

import pytest

from sonde.training.plan import Plan, Progress, Reason


def plan(**changed: Any) -> Plan:
    return Plan(epochs=9, lr=0.1, monitor="accuracy", better="higher", **changed)


def test_the_best_epoch_is_kept_and_waiting_is_counted() -> None:
    now = Progress()
    seen = []
    for epoch, value in enumerate((0.5, 0.7, 0.7, 0.6), start=1):
        now.epoch, now.step = epoch, 10 * epoch
        seen.append(now.measured(value, "higher"))
    assert seen == [True, True, False, False]
    assert (now.best, now.best_epoch, now.best_step, now.waited) == (0.7, 2, 20, 2)
    assert now.measured(0.8, "higher")
    assert now.waited == 0


def test_an_error_is_better_when_lower() -> None:
    now = Progress()
    assert [now.measured(value, "lower") for value in (3.0, 4.0, 2.0)] == [True, False, True]


@pytest.mark.parametrize(
    ("stopped", "changed", "still"),
    [
        ("minutes", {"seconds": 60.0}, "minutes"),
        ("minutes", {"seconds": 120.0}, None),
        ("minutes", {}, None),
        ("patience", {"patience": 3}, "patience"),
        ("patience", {"patience": 4}, None),
        ("patience", {}, None),
        ("signal", {}, None),
        (None, {}, None),
    ],
)
def test_a_resume_goes_on_once_the_reason_to_stop_is_lifted(stopped: Reason | None, changed: dict[str, Any], still: Reason | None) -> None:
    now = Progress(elapsed=60.0, waited=3, stopped=stopped)
    now.lift(plan(**changed))
    assert now.stopped == still
