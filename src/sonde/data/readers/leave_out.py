"""`--on-error skip`: examples that cannot be used are left out, counted and listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from sonde.data.contents import Examples
from sonde.errors import DataError, Problem

OnError = Literal["stop", "skip"]


def leave_out(examples: Examples, problems: Sequence[Problem], on_error: OnError) -> tuple[Examples, list[Problem]]:
    """Under "skip" the examples without those that errors name, these errors now warnings; under "stop" all as it was.

    Raises
    ------
    DataError
        When nothing would be left.
    """
    wrong = {problem.example for problem in problems if problem.level == "error" and problem.example is not None}
    if on_error == "stop" or not wrong:
        return examples, list(problems)
    if len(wrong) >= len(examples):
        raise DataError(problems)
    keep = np.setdiff1d(np.arange(len(examples)), np.fromiter(wrong, dtype=np.int64))
    said = [
        dataclasses.replace(problem, level="warning", found=f"{problem.found}; left out", example=None) if problem.example in wrong else problem
        for problem in problems
    ]
    return examples.take(keep), said
