"""The systolic array, cycle by cycle: facts, products of any size, tiles, and how busy it is."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from sonde.cli.main import main
from sonde.cost import systolic
from sonde.errors import UsageError
from sonde.report.systolic import Grid, draw


def matrices(m: int, k: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(1.0, m * k + 1).reshape(m, k), torch.arange(1.0, k * n + 1).reshape(k, n)


def test_when_numbers_leave() -> None:
    w, x = matrices(3, 3, 2)
    done = systolic.run(w, x)
    assert torch.equal(done.product, w @ x)
    assert done.left[0, 0] == 4 and done.left[2, 1] == 7  # y₁₁ and y₃₂
    assert done.cycles == 7
    assert done.left.tolist() == [[4, 5], [5, 6], [6, 7]]


def test_the_first_cycles_by_hand() -> None:
    w, x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0], [6.0]])
    first, second, third, fourth = systolic.simulate(w, x)
    assert first.sums.tolist() == [[5, 0], [0, 0]] and first.busy == 1
    assert second.sums.tolist() == [[0, 15], [5 + 12, 0]] and second.busy == 2
    assert third.leaving == ((0, 0, 17.0),) and third.sums[1, 1] == 15 + 24
    assert fourth.leaving == ((1, 0, 39.0),) and fourth.busy == 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (4, 1, 2), (3, 4, 9)])
def test_any_shape(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    w, x = matrices(*shape)
    done = systolic.run(w, x)
    assert torch.equal(done.product, w @ x)
    assert done.cycles == n + k + m - 1 == systolic.cycles_of(m, k, n, rows=k, columns=m)
    assert done.utilisation == pytest.approx(systolic.utilisation(m, k, n, rows=k, columns=m))


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 2), (8, 8), (1, 1)])
def test_larger_matrices_are_padded_and_cut_into_tiles(rows: int, columns: int) -> None:
    w, x = matrices(5, 3, 4)
    done = systolic.tiled(w, x, rows=rows, columns=columns)
    assert torch.equal(done.product, w @ x)
    assert done.cycles == systolic.cycles_of(5, 3, 4, rows=rows, columns=columns)
    assert done.utilisation == pytest.approx(5 * 3 * 4 / (done.cycles * rows * columns))
    assert int(done.left.max()) <= done.cycles


def test_long_batches_fill_the_array() -> None:
    shares = [systolic.utilisation(256, 256, n, rows=128, columns=128) for n in (1, 64, 4096)]
    assert shares == sorted(shares) and shares[-1] > 0.94
    assert systolic.utilisation(129, 128, 4096, rows=128, columns=128) < 0.51  # one row too many takes a second tile


def test_sizes_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="--n is 0"):
        systolic.check(m=3, k=3, n=0, rows=3, columns=3)
    with pytest.raises(UsageError, match="at most 100,000 are simulated"):
        systolic.check(m=4096, k=4096, n=4096, rows=8, columns=8)


def test_as_much_as_can_be_followed_and_no_more() -> None:
    systolic.check(m=2048, k=2048, n=10, rows=256, columns=256)
    systolic.check(m=1024, k=1024, n=1024, rows=256, columns=256)
    systolic.check(m=1000, k=1000, n=100, rows=1000, columns=1000)
    with pytest.raises(UsageError, match="4,105 cycles of 2,048 × 2,048 elements are 17,217,617,920 steps, and at most 2,500,000,000") as caught:
        systolic.check(m=2048, k=2048, n=10, rows=2048, columns=2048)
    assert caught.value.remedy == "give an array that takes the matrices in tiles: --rows 256 --columns 256"
    with pytest.raises(UsageError, match="are simulated") as caught:
        systolic.check(m=3, k=3, n=2, rows=10**9, columns=10**9)  # more than would fit into memory
    assert "--rows 512 --columns 512" in str(caught.value.remedy)
    with pytest.raises(UsageError, match="steps") as caught:
        systolic.check(m=20_000, k=20_000, n=10, rows=20_000, columns=20_000)
    assert caught.value.remedy == "give smaller matrices, with --m, --k and --n"  # smaller arrays take too many cycles
    with pytest.raises(UsageError, match="400,020,000 numbers enter and leave the array in this product, and at most 25,000,000"):
        systolic.check(m=20_000, k=1, n=20_000, rows=1, columns=20_000)


def test_the_remedy_can_be_followed() -> None:
    for m, k, n in ((2048, 2048, 10), (1500, 3000, 1), (1000, 1000, 1100)):
        with pytest.raises(UsageError) as caught:
            systolic.check(m=m, k=k, n=n, rows=k, columns=m)
        found = re.search(r"--rows (\d+) --columns (\d+)", str(caught.value.remedy))
        assert found
        systolic.check(m=m, k=k, n=n, rows=int(found[1]), columns=int(found[2]))


def test_too_large_an_array_is_told_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["systolic", "--m", "2048", "--k", "2048", "--n", "10", "--out", str(tmp_path / "a.svg")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "--rows 256 --columns 256" in err
    assert not list(tmp_path.iterdir())


# Pixels of a bold letter of 12 pixels in DejaVu Sans, as a browser measures it; no font that the drawing asks for is wider.
MEASURED = {" ": 4.2, ",": 4.6, ".": 4.6, "=": 10.1, "+": 10.1, "y": 7.8} | dict.fromkeys("0123456789", 8.4) | dict.fromkeys("₀₁₂₃₄₅₆₇₈₉", 5.3)
CELLS = re.compile(r'<rect class="(?:busy|idle)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"')
LEAVES = re.compile(r'<text x="([\d.]+)" y="[\d.]+" class="leaves">([^<]*)</text>')


@pytest.mark.parametrize("shape", [(3, 3, 2, 3, 3), (5, 7, 4, 4, 4), (12, 16, 11, 8, 6), (12, 3, 11, 3, 6), (120, 16, 110, 8, 8), (8, 300, 3, 8, 8)])
def test_what_leaves_can_be_read(shape: tuple[int, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    m, k, n, rows, columns = shape
    out = tmp_path / "a.svg"
    words = {"m": m, "k": k, "n": n, "rows": rows, "columns": columns, "out": out}
    assert main(["systolic", *(f"--{name}={value}" for name, value in words.items())]) == 0
    drawn = out.read_text(encoding="utf-8")
    grids = drawn.split('<g transform="translate(')[1:]
    together = 0
    for grid in grids:
        labels = sorted((float(x), sum(MEASURED[letter] for letter in text)) for x, text in LEAVES.findall(grid))
        assert all(a + wide / 2 + 4 <= b - other / 2 for (a, wide), (b, other) in pairwise(labels))
        together = max(together, len(labels))
        assert all(a >= wide / 2 for a, wide in labels)
    assert together == min(columns, m, n)  # several stood beside each other
    # Neighbouring drawings keep to their own places.
    places = [tuple(map(int, grid.split(")")[0].split())) for grid in grids]
    widest = max(float(x) + float(width) for grid in grids for x, width in CELLS.findall(grid))
    assert all(b - a > widest for (a, high), (b, other) in pairwise(places) if high == other)
    whole = re.search(r'viewBox="0 0 (\d+) ', drawn)
    assert whole and max(x for x, _ in places) + widest <= int(whole[1])


def test_a_small_drawing_stays_small() -> None:
    drawn = draw("Y", "", [Grid(1, [[1, 2]], [[3, 0]], [[3, 0]], [[True, False]], [(0, "y =", 3.0)])])
    assert [float(width) for _, width in CELLS.findall(drawn)] == [58, 58]


def test_the_drawing() -> None:
    grid = Grid(4, [[1, 2]], [[3, 0]], [[3, 0]], [[True, False]], [(0, "y₁₁ =", 3.0)])
    drawn = draw("Y = WX <W>", "said", [grid])
    assert drawn.startswith("<svg xmlns=") and drawn.endswith("</svg>\n")
    assert drawn.count('class="busy"') == drawn.count('class="idle"') == 1
    assert "y₁₁ = 3" in drawn and "cycle 4" in drawn and "&lt;W&gt;" in drawn
