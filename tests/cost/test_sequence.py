"""Convolution, recurrence and self-attention: what they ask for is exact, and what is fitted to measurements finds its exponent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sonde.cli.main import main
from sonde.cost import sequence
from sonde.cost.sequence import Point


@pytest.mark.parametrize("length", [8, 20])
@pytest.mark.parametrize("width", [8, 32])
def test_multiply_adds_are_those_of_the_formulas(length: int, width: int) -> None:
    for kernel in (3, 5):
        assert sequence.counted("convolution", length, width, kernel=kernel)[0] == kernel * length * width**2
    assert sequence.counted("recurrent", length, width)[0] == 2 * length * width**2
    assert sequence.counted("self-attention", length, width)[0] == 2 * length**2 * width


def test_exponents_of_what_is_counted_are_the_theory() -> None:
    for name, (by_length, by_width) in sequence.THEORY.items():
        lengths, widths = (8, 16, 32), (8, 16, 32)
        assert sequence.exponent(lengths, [sequence.counted(name, n, 32)[0] for n in lengths]) == pytest.approx(by_length)
        assert sequence.exponent(widths, [sequence.counted(name, 16, d)[0] for d in widths]) == pytest.approx(by_width)


def test_memory_of_attention_grows_with_the_square_of_the_length() -> None:
    attention, convolution = ([sequence.counted(name, n, 16)[1] for n in (512, 1024)] for name in ("self-attention", "convolution"))
    assert attention[1] / attention[0] == pytest.approx(4, rel=0.05)
    assert convolution[1] / convolution[0] == pytest.approx(2, rel=0.05)


def test_paths_and_steps() -> None:
    assert [sequence.serial_steps(name, 100) for name in sequence.LAYERS] == [1, 100, 1]
    assert [sequence.longest_path(name, 101) for name in sequence.LAYERS] == [50, 101, 1]
    assert sequence.longest_path("convolution", 101, kernel=5) == 25


@pytest.mark.parametrize("kernel", [3, 5])
def test_so_many_convolutions_join_the_ends_and_not_one_less(kernel: int) -> None:
    length, layers = 12, 0
    ends = torch.zeros(2, 1, length, dtype=torch.float64)
    ends[0, 0, 0] = ends[1, 0, -1] = 1
    while not (ends.prod(0) > 0).any():  # no place has heard of both
        ends, layers = torch.conv1d(ends, torch.ones(1, 1, kernel, dtype=torch.float64), padding="same"), layers + 1
    assert layers == sequence.longest_path("convolution", length, kernel=kernel)


def test_fits_take_the_largest_sizes() -> None:
    points = [
        Point("recurrent", n, sequence.WIDTH, 0, 8 * n, n, n, seconds=5.0 if n < 256 else 1e-3 * n)  # a call's fixed cost below 256
        for n in (64, 128, 256, 512, 1024)
    ]
    (found,) = sequence.fits(points)
    assert (found.layer, found.by, found.theory) == ("recurrent", "length", 1)
    assert found.seconds == pytest.approx(1)
    assert found.memory == pytest.approx(1)


def test_the_command_measures_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "LENGTH", 8)
    monkeypatch.setattr(sequence, "WIDTH", 4)
    few = sequence.measure((8, 16), (4, 8), turns=1)
    assert {(p.length, p.width) for p in few} == {(8, 4), (16, 4), (8, 8)}
    assert len(few) == 3 * len(sequence.LAYERS)
    assert all(p.seconds > 0 for p in few)
    monkeypatch.setattr(sequence, "measure", lambda: few)
    assert main(["cost", "--sequence", "--out", str(tmp_path / "page.html"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["points"]) == len(few)
    assert {(fit["layer"], fit["by"]) for fit in told["fits"]} == {(name, by) for name in sequence.LAYERS for by in ("length", "width")}
    page = (tmp_path / "page.html").read_text()
    assert "Three ways to read a sequence" in page
    assert "2·n²·d" in page


def test_a_model_and_layers_are_not_asked_for_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost"]) == 2
    assert "there is no model" in capsys.readouterr().err
    assert main(["cost", "lenet", "--sequence"]) == 2
    assert "give one of the two" in capsys.readouterr().err
