"""`sonde systolic --m 3 --k 3 --n 2`: a matrix product on a grid of processing elements, cycle by cycle."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sonde.cli.flags import Json
from sonde.cli.output import Answer, table

DRAWN = 24  # cycles, and 8 × 8 elements: what can still be read
SIZES = (8, 16, 32, 64, 128, 256)
BATCHES = (1, 8, 64, 512, 4096)


def systolic(
    *,
    m: Annotated[int, Parameter(help="rows of W and Y")] = 3,
    k: Annotated[int, Parameter(help="columns of W, rows of X")] = 3,
    n: Annotated[int, Parameter(help="columns of X and Y: the batch")] = 2,
    rows: Annotated[int | None, Parameter(help="rows of the array, for k [default: k]")] = None,
    columns: Annotated[int | None, Parameter(help="columns of the array, for m [default: m]")] = None,
    out: Annotated[Path, Parameter(help="where the picture is written")] = Path("systolic.svg"),
    json: Json = False,
) -> Answer:
    """Simulate Y = WX on a systolic array, check the product, draw the cycles, and say how busy the elements are."""
    from sonde.cost import systolic as array
    from sonde.report.frame import save
    from sonde.report.systolic import draw

    height, width = k if rows is None else rows, m if columns is None else columns
    array.check(m=m, k=k, n=n, rows=height, columns=width)
    w, x = array.small_numbers(m, k), array.small_numbers(k, n)
    done = array.tiled(w, x, rows=height, columns=width)
    difference = float((done.product - w @ x).abs().max())
    tiles = -(-m // width) * -(-k // height)
    picture = None
    if height <= 8 and width <= 8:
        grids = _grids(w, x, height, width)
        said = f"{done.cycles} cycles on {height} × {width} elements; each shows its weight w, the number x that passes and the sum so far"
        said += f"; the first {DRAWN} cycles" if done.cycles > len(grids) else ""
        picture = save(out, draw(f"Y = WX, W {m} × {k}, X {k} × {n}", said, grids))
    sizes = {size: [array.utilisation(m, k, batch, rows=size, columns=size) for batch in BATCHES] for size in SIZES}
    document = {
        "m": m, "k": k, "n": n, "rows": height, "columns": width, "tiles": tiles, "cycles": done.cycles, "utilisation": done.utilisation,
        "difference": difference, "product": done.product, "left": done.left, "svg": picture,
        "sizes": [{"array": size, "n": batch, "utilisation": share} for size, shares in sizes.items() for batch, share in zip(BATCHES, shares, strict=True)],
    }  # fmt: skip
    lines = [
        f"Y = WX, W {m}×{k}, X {k}×{n}, on {height}×{width} elements" + (f", in {tiles} tiles" if tiles > 1 else ""),
        f"product      {'equals' if difference == 0 else f'differs by {difference:.1e} at most from'} W @ X",
        f"first, last  y{_index(0, 0, max(m, n))} leaves in cycle {int(done.left[0, 0])}, "
        f"y{_index(m - 1, n - 1, max(m, n))} in cycle {int(done.left[-1, -1])} of {done.cycles}",
        f"utilisation  {done.utilisation:.1%} of elements × cycles multiply",
        f"picture      {picture or 'none: at most 8 × 8 elements can be read'}",
        "",
        f"utilisation for W {m}×{k} by the size of the array and the batch n",
        table([(f"{size}×{size}", *(f"{share:7.2%}" for share in shares)) for size, shares in sizes.items()], ("array", *(f"n = {b}" for b in BATCHES))),
    ]
    return Answer(document, "\n".join(lines), json=json)


def _grids(w: Any, x: Any, rows: int, columns: int) -> list[Any]:
    """The first cycles of all tiles, as they are drawn."""
    from sonde.cost.systolic import tiles
    from sonde.report.systolic import Grid

    (m, k), n = w.shape, x.shape[1]
    cut, grids = m > columns or k > rows, list[Grid]()
    for i, j, tile, before, cycle in itertools.islice(tiles(w, x, rows=rows, columns=columns), DRAWN):
        note = f"tile {i // columns + 1},{j // rows + 1}" if cut else ""
        sign = "=" if k <= rows else "+="
        leaving = [(a, f"y{_index(i + a, b, max(m, n))} {sign}", value) for a, b, value in cycle.leaving if i + a < m]
        busy = (cycle.columns >= 0).tolist()
        grids.append(Grid(before + cycle.number, tile.T.tolist(), cycle.inputs.tolist(), cycle.sums.tolist(), busy, leaving, note))
    return grids


def _index(row: int, column: int, largest: int) -> str:
    """Indices from 1, below the line: ₁₂."""
    text = f"{row + 1}{column + 1}" if largest < 10 else f"{row + 1},{column + 1}"
    return text.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
