"""`--compile auto`: decided once, before step 0, on a throw-away copy; recorded, and obeyed by a resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from sonde.training.probe import Tried

# Compiling takes from seconds to a minute, so that training of less time than this cannot gain.
WORTH_TRYING = 300.0


def decide(setting: bool | Literal["auto"], tried: Tried, say: Callable[[str], None] = lambda said: None) -> bool:
    """Whether to compile: as told, or where compiling and the compiled steps together take under 0.95 of the eager time.

    `say` is told that a trial begins, which can take minutes in which nothing else is to be seen, and what it found.
    """
    if setting != "auto":
        return bool(setting)
    epochs = tried.recipe.training.epochs or 0
    steps = epochs * tried.batches.steps
    if tried.world.size > 1 or steps == 0 or tried.seconds_per_step * steps < WORTH_TRYING:
        return False
    # On a CPU batches of many lengths are not worth a trial: BERT's forward pass took 983 ms compiled and 979 as it is, and compiling
    # a step of its fine-tuning for length after length takes minutes.
    if tried.world.device.type == "cpu" and tried.lengths_vary():
        return False
    eager = tried.seconds_per_step
    ahead = f"{eager * steps / 60:.0f} minutes of steps lie ahead"
    say(f"{ahead}: trying out whether torch.compile shortens them, which can take minutes (--no-compile leaves it out)")
    compiling, each = tried.seconds_compiled()
    pays = compiling + each * steps < 0.95 * eager * steps
    found = f"compiling took {compiling:.0f} s, and a step then {1e3 * each:,.1f} ms in place of {1e3 * eager:,.1f}"
    say(f"{found}: the steps are {'' if pays else 'not '}compiled")
    return pays
