"""The systolic array, cycle by cycle: facts, products of any size, tiles, and how busy it is."""

from __future__ import annotations

import pytest
import torch

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


def test_the_drawing() -> None:
    grid = Grid(4, [[1, 2]], [[3, 0]], [[3, 0]], [[True, False]], [(0, "y₁₁ =", 3.0)])
    drawn = draw("Y = WX <W>", "said", [grid])
    assert drawn.startswith("<svg xmlns=") and drawn.endswith("</svg>\n")
    assert drawn.count('class="busy"') == drawn.count('class="idle"') == 1
    assert "y₁₁ = 3" in drawn and "cycle 4" in drawn and "&lt;W&gt;" in drawn
