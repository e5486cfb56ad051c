"""A systolic array (Kung & Leiserson 1978): a grid of processing elements through which numbers are pumped in step.

Y = WX, weights staying in place (as in the TPU, Jouppi et al. 2017, section 2): the element in row k and column m holds W[m, k]. Column n of X
enters row k from the left in cycle n + k + 1, each row one cycle after the row above it, and moves one element to the right a cycle. Partial sums
move down, one element a cycle, each adding W[m, k]·X[k, n]; Y[m, n] leaves below column m. The first cycle is 1. The element (k, m) works on
column n in cycle n + k + m + 1, so Y[m, n] has left in the cycle after its last one, n + K + m + 1 (n and m from 0).

With a 3×3 W and a 3×2 X, Y₁₁ leaves in cycle 4 and Y₃₂, the last one, in cycle 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.errors import UsageError

# What is simulated at most; each of the three takes about ten seconds on one core.
LONGEST = 100_000  # cycles
MOST_STEPS = 2_500_000_000  # cycles × elements, as all elements step in every cycle
MOST_MOVED = 25_000_000  # numbers that enter at the left or leave below, over all tiles: matrices much longer than the array


@dataclass(frozen=True)
class Cycle:
    """The grid at the end of one cycle: row k, column m.

    `inputs` are the numbers of X in the elements, `sums` the partial sums that they have made, `columns` which column of X each works on (−1: none).
    `below` is what leaves the last row in this cycle, `below_columns` which column of X it is of (−1: nothing leaves).
    """

    number: int
    inputs: Float[Tensor, "k m"]
    sums: Float[Tensor, "k m"]
    columns: Tensor
    below: Float[Tensor, " m"]
    below_columns: Tensor

    @property
    def leaving(self) -> tuple[tuple[int, int, float], ...]:
        """What leaves below in this cycle, one number after the other: (m, n, value)."""
        out = enumerate(zip(self.below_columns.tolist(), self.below.tolist(), strict=True))
        return tuple((m, n, value) for m, (n, value) in out if n >= 0)

    @property
    def busy(self) -> int:
        """How many elements have worked."""
        return int((self.columns >= 0).sum())


@dataclass(frozen=True)
class Run:
    """A whole product: Y, the cycle in which each of its numbers left, all cycles, and the share of elements × cycles that worked."""

    product: Float[Tensor, "m n"]
    left: Tensor
    cycles: int
    utilisation: float


def simulate(w: Float[Tensor, "m k"], x: Float[Tensor, "k n"]) -> Iterator[Cycle]:
    """The cycles of Y = WX on a grid of K rows and M columns, one after the other. All elements step at once."""
    (height, depth), width = w.shape, x.shape[1]
    weights = w.T.contiguous()  # read in every cycle
    inputs, sums = torch.zeros_like(weights), torch.zeros_like(weights)
    columns = torch.full((depth, height), -1, dtype=torch.int32)
    rows = torch.arange(depth, dtype=torch.int32)
    for number in range(1, width + depth + height):
        # What left below is what the last row had made in the cycle before.
        below, below_columns = sums[-1], columns[-1]
        entering = number - 1 - rows
        known = (entering >= 0) & (entering < width)
        fed = torch.where(known, x[rows, entering.clamp(0, width - 1)], x.new_zeros(()))
        inputs = torch.cat([fed[:, None], inputs[:, :-1]], 1)
        columns = torch.cat([torch.where(known, entering, -1)[:, None], columns[:, :-1]], 1)
        made = weights * inputs
        made[1:] += sums[:-1]
        sums = made
        yield Cycle(number, inputs, sums, columns, below, below_columns)


def run(w: Float[Tensor, "m k"], x: Float[Tensor, "k n"]) -> Run:
    """All cycles of Y = WX on a grid that W fits on."""
    (height, depth), width = w.shape, x.shape[1]
    product, left = x.new_zeros(height, width), torch.zeros(height, width, dtype=torch.int64)
    busy = cycles = 0
    for cycle in simulate(w, x):
        busy, cycles = busy + cycle.busy, cycle.number
        _collect(cycle, product, left, cycles)
    return Run(product, left, cycles, busy / (cycles * height * depth))


def tiled(w: Float[Tensor, "m k"], x: Float[Tensor, "k n"], *, rows: int, columns: int) -> Run:
    """Y = WX on a grid of `rows` × `columns` that W need not fit on.

    W is padded with zeros to whole tiles of (columns of M, rows of K); each tile is loaded, all of X's rows that meet it are pumped through, and the
    partial products of one row of tiles are added up. `cycles` are of all tiles, one after the other; `left` is counted from the first tile's
    first cycle; padding counts as idle in `utilisation`.
    """
    (height, depth), width = w.shape, x.shape[1]
    whole = -(-height // columns) * columns
    product, left = x.new_zeros(whole, width), torch.zeros(whole, width, dtype=torch.int64)
    cycles = 0
    for i, _, _, before, cycle in tiles(w, x, rows=rows, columns=columns):
        cycles = before + cycle.number
        _collect(cycle, product[i : i + columns], left[i : i + columns], cycles)
    return Run(product[:height], left[:height], cycles, height * depth * width / (cycles * rows * columns))


def _collect(cycle: Cycle, product: Float[Tensor, "m n"], left: Tensor, when: int) -> None:
    """Add what leaves in `cycle` to `product`, and note in `left` that it did so `when`."""
    out = cycle.below_columns >= 0
    place = (out.nonzero()[:, 0], cycle.below_columns[out])
    product[place] += cycle.below[out]
    left[place] = when


def tiles(w: Float[Tensor, "m k"], x: Float[Tensor, "k n"], *, rows: int, columns: int) -> Iterator[tuple[int, int, Tensor, int, Cycle]]:
    """Every cycle of the tiled product: (first row of W, first column of W, the tile's weights, cycles before it, the cycle)."""
    padded, filled = pad(w, x, rows=rows, columns=columns)
    before = 0
    for i in range(0, len(padded), columns):
        for j in range(0, padded.shape[1], rows):
            tile = padded[i : i + columns, j : j + rows]
            for cycle in simulate(tile, filled[j : j + rows]):
                yield i, j, tile, before, cycle
            before += cycle.number


def small_numbers(rows: int, columns: int) -> Float[Tensor, "rows columns"]:
    """Whole numbers from 1 to 5, the same each time: their sums can be followed by hand, and are exact."""
    return torch.randint(1, 6, (rows, columns), generator=torch.Generator().manual_seed(rows * 1000 + columns)).float()


def pad(w: Float[Tensor, "m k"], x: Float[Tensor, "k n"], *, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """W and X with zeros around them, so that W is whole tiles of (`columns` of M, `rows` of K)."""
    height, depth = w.shape
    more_m, more_k = -height % columns, -depth % rows
    return torch.nn.functional.pad(w, (0, more_k, 0, more_m)), torch.nn.functional.pad(x, (0, 0, 0, more_k))


def cycles_of(m: int, k: int, n: int, *, rows: int, columns: int) -> int:
    """Cycles of the tiled product, without running it: every tile takes n + rows + columns − 1."""
    return -(-m // columns) * -(-k // rows) * (n + rows + columns - 1)


def utilisation(m: int, k: int, n: int, *, rows: int, columns: int) -> float:
    """The share of elements × cycles that multiply numbers of W and X: 1 when n is large and the tiles are full."""
    return m * k * n / (cycles_of(m, k, n, rows=rows, columns=columns) * rows * columns)


def check(*, m: int, k: int, n: int, rows: int, columns: int) -> None:
    """UsageError for a size below 1, or a product that takes longer to follow than anybody waits."""
    for name, value in (("m", m), ("k", k), ("n", n), ("rows", rows), ("columns", columns)):
        if value < 1:
            raise UsageError(f"--{name} is {value}", where="sonde systolic", remedy="give sizes of at least 1")
    cycles, steps, moved = _asked(m, k, n, rows=rows, columns=columns)
    if cycles > LONGEST:
        what = f"this product takes {cycles:,} cycles, and at most {LONGEST:,} are simulated"
    elif steps > MOST_STEPS:
        what = f"{cycles:,} cycles of {rows:,} × {columns:,} elements are {steps:,} steps, and at most {MOST_STEPS:,} are simulated"
    elif moved > MOST_MOVED:
        what = f"{moved:,} numbers enter and leave the array in this product, and at most {MOST_MOVED:,} are followed"
    else:
        return
    raise UsageError(what, where="sonde systolic", remedy=_remedy(m, k, n))


def _asked(m: int, k: int, n: int, *, rows: int, columns: int) -> tuple[int, int, int]:
    """What the simulation has to do: cycles, steps of elements, numbers that enter or leave."""
    cycles = cycles_of(m, k, n, rows=rows, columns=columns)
    return cycles, cycles * rows * columns, k * n * -(-m // columns) + m * n * -(-k // rows)


def _remedy(m: int, k: int, n: int) -> str:
    """An array on which the product can be followed, the largest of the usual sizes, where there is one."""
    for size in (512, 256, 128, 64, 32, 16, 8):
        asked = _asked(m, k, n, rows=size, columns=size)
        if all(much <= most for much, most in zip(asked, (LONGEST, MOST_STEPS, MOST_MOVED), strict=True)):
            return f"give an array that takes the matrices in tiles: --rows {size} --columns {size}"
    return "give smaller matrices, with --m, --k and --n"
