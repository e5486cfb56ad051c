"""Whether compiling is tried, and when it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from sonde.recipe import Recipe
from sonde.training.compile import decide
from sonde.training.probe import Tried


class Batches:
    """As many batches an epoch as there are lengths."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths, self.steps = lengths, len(lengths)

    def epoch(self, number: int) -> Iterator[list[Any]]:
        for length in self.lengths:
            inputs: tuple[Tensor, ...] = (torch.zeros(4, length), torch.zeros(4))
            yield [SimpleNamespace(inputs=inputs)]


def tried(lengths: list[int], *, eager: float, compiled: tuple[float, float], device: str = "cpu", epochs: int = 10) -> Tried:
    found = object.__new__(Tried)  # without a model: what it would measure is given
    found.__dict__.update(
        world=SimpleNamespace(size=1, device=torch.device(device)),
        batches=Batches(lengths),
        recipe=Recipe().replace(training={"epochs": epochs}),
        seconds_per_step=eager,
        seconds_compiled=lambda: compiled,
    )
    return found


@pytest.mark.parametrize(
    ("lengths", "eager", "compiled", "device", "tries", "taken"),
    [
        ([8] * 50, 1.0, (60.0, 0.5), "cpu", True, True),
        ([8] * 50, 1.0, (60.0, 0.9), "cpu", True, False),  # compiling takes what it gains
        ([8] * 50, 0.5, (1.0, 0.1), "cpu", False, False),  # 250 s in all: not tried
        ([8] * 49 + [3], 1.0, (60.0, 0.5), "cpu", True, True),  # the last batch of an epoch is short
        ([8, 5] * 25, 1.0, (60.0, 0.5), "cpu", False, False),  # sentences: each length is compiled for anew
        ([8, 5] * 25, 1.0, (60.0, 0.5), "cuda", True, True),
    ],
)
def test_auto(lengths: list[int], eager: float, compiled: tuple[float, float], device: str, tries: bool, taken: bool) -> None:
    said: list[str] = []
    assert decide("auto", tried(lengths, eager=eager, compiled=compiled, device=device), said.append) is taken
    assert len(said) == 2 * tries
    if tries:  # a trial is announced, as it takes its time, and its outcome told
        assert said[0].startswith("8 minutes of steps lie ahead: trying out") and "--no-compile" in said[0]
        assert said[1].endswith("in place of 1,000.0: the steps are compiled" if taken else "in place of 1,000.0: the steps are not compiled")


def test_as_told() -> None:
    told = tried([8, 5], eager=0.0, compiled=(0.0, 0.0))
    assert decide(True, told) is True
    assert decide(False, told) is False
