"""The benchmarks' own arithmetic: turns, ratios, what counts as reached, and contenders that really take turns."""

from __future__ import annotations

import importlib.util

import pytest

from bench.__main__ import NAMES, PAGE
from bench.race import Entry, race
from bench.table import Row
from bench.timing import interleave, quartiles, ratios


def test_contenders_take_turns_and_each_round_begins_with_another() -> None:
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return float(len(order))

    results = interleave({name: lambda name=name: turn(name) for name in "abc"}, rounds=3, warmup=1)
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"
    assert results == {"a": [6.0, 8.0, 10.0], "b": [4.0, 9.0, 11.0], "c": [5.0, 7.0, 12.0]}


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_spread() -> None:
    assert quartiles([5.0]) == (5.0, 5.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)


def test_a_row_compares_its_median_or_its_mean() -> None:
    values = [1.0, 2.0, 9.0]
    assert Row("speed", values, at_least=2.0).reached is True
    assert Row("score", values, at_least=4.1, centre="mean").reached is False
    assert Row("seconds", values, at_most=1.9).reached is False
    assert Row("beside", values).reached is None
    assert Row("speed", values, "×", at_least=2.5).cells() == ["speed", "2 ×", "1.5 … 5.5 (3 turns)", "≥ 2.5", "**no**"]
    assert Row("score", values, centre="mean", digits=4).cells()[1:3] == ["4.0000", "± 4.3589 (3 runs)"]


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_has_a_file_and_a_place_on_the_page(name: str) -> None:
    assert importlib.util.find_spec(f"bench.{name}") is not None
    assert PAGE.read_text(encoding="utf-8").count(f"<!-- {name} -->") == 2


def test_contenders_race_in_processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SONDE_DATA", raising=False)
    entries = {"bare": Entry("bare"), "sonde": Entry("sonde_fit"), "elsewhere": Entry("keras_fit", peer=True)}
    results = race(entries, network="mlp", examples=512, batch=256, rounds=2, peers=None)
    assert set(results) == {"bare", "sonde"}
    for result in results.values():
        assert len(result.seconds) == 2
        assert min(result.seconds) > 0
        assert result.loss < 3.0
