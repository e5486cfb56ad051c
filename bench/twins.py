"""`python -m bench.twins`: writes what docs/from-the-bottom.md shows: the table of `sonde verify`, the size of `sonde.scratch`, and the picture
of the memory that both accumulations need."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from bench.machine import ROOT, describe
from sonde import verify
from sonde.scratch.counters import count
from sonde.scratch.derivatives import jvp
from sonde.scratch.tensor import Tensor
from sonde.verify import picture

PAGE = ROOT / "docs" / "from-the-bottom.md"
SCRATCH = ROOT / "src" / "sonde" / "scratch"
DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
WIDTH = 100


def deep(x: Tensor, depth: int) -> Tensor:
    """A chain of `depth` layers of one product and one tanh."""
    for _ in range(depth):
        x = (x * 0.5).tanh()
    return x


def held(depth: int) -> tuple[int, int]:
    """Numbers held at most by reverse and by forward accumulation through `depth` layers."""
    x = np.ones(WIDTH)
    with count() as backwards:
        deep(Tensor(x, requires_grad=True), depth).sum().backward()
    with count() as forwards:
        jvp(lambda x: deep(x, depth), [x], [np.ones((1, WIDTH))])
    return backwards.peak, forwards.peak


def memory() -> str:
    """The picture."""
    found = {depth: held(depth) for depth in DEPTHS}
    lines = {
        "reverse accumulation": [(float(depth), float(both[0])) for depth, both in found.items()],
        "forward accumulation": [(float(depth), float(both[1])) for depth, both in found.items()],
    }
    return picture.lines(lines, title=f"Memory of a derivative, {WIDTH} numbers a layer", across="depth", up="numbers held at most")


def table() -> str:
    """The verdicts as a Markdown table."""
    rows = ["| pair | fast form | value f64 | gradient f64 | value f32 | gradient f32 | scratch / fast |", "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for v in verify.prove():
        shown = [found.get(dtype) for dtype in ("float64", "float32") for found in (v.value, v.gradient)]
        cells = ["–" if d is None else f"{d:.0e}" for d in shown]
        if not v.passed:
            raise SystemExit(f"{v.name} is not equal: {v.worst}")
        rows.append(f"| {v.name} | {v.what} | {' | '.join(cells)} | {v.scratch_seconds / v.fast_seconds:.2g} × |")
        print(rows[-1], file=sys.stderr)
    return "\n".join(rows)


def size() -> str:
    """Lines of `sonde.scratch`."""

    def lines(file: Path) -> int:
        return len(file.read_text(encoding="utf-8").splitlines())

    files = sorted(SCRATCH.glob("*.py"))
    longest = max(files, key=lines)
    total = f"`sonde.scratch` has {sum(map(lines, files)):,} lines in {len(files)} files, docstrings included"
    return f"{total}; the longest, {longest.name}, has {lines(longest)}."


def main() -> int:
    """Write the page's part between its marks, and the picture."""
    (ROOT / "docs" / "pictures").mkdir(exist_ok=True)
    (ROOT / "docs" / "pictures" / "memory.svg").write_text(memory(), encoding="utf-8")
    note = "Largest differences, relative to the largest number (or to 1); times of the first case, small on purpose."
    said = f"<!-- verify -->\n{table()}\n\n{note} {size()}\nMeasured on {describe()}.\n<!-- verify -->"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(r"<!-- verify -->\n.*?<!-- verify -->", lambda _: said, page, flags=re.DOTALL), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
