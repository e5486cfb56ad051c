"""The one error that a user can mend: what, where, and what to do."""

from __future__ import annotations


class PredictError(Exception):
    """Data or files that cannot be used. `str()` is the whole message."""

    def __init__(self, what: str, *, where: str, remedy: str) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(f"{where}: {what}\n  → {remedy}")


def raise_all(problems: list[PredictError]) -> None:
    """One error that lists the first ten of `problems`; nothing where there are none."""
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    lines = [str(problem) for problem in problems[1:10]] + ([f"… and {len(problems) - 10} more"] if len(problems) > 10 else [])
    raise PredictError(problems[0].what, where=problems[0].where, remedy="\n".join([problems[0].remedy, *lines]))
