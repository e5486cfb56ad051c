"""The hyperplane that separates two classes by the widest margin, or the finding that none does.

For rows aᵢ = yᵢ(xᵢ, 1) with labels yᵢ = ±1 the shortest v with aᵢ·v ≥ 1 has ‖v‖ = 1/ρ, where ρ is the largest margin of
a unit vector (w, b). It is a least-distance problem and so one of non-negative least squares (Lawson & Hanson 1974,
"Solving least squares problems", chapter 23): minimise ‖Aᵀu‖² + (1ᵀu − 1)² over u ≥ 0; then v = Aᵀu/(1 − 1ᵀu), and a
remainder 1 − 1ᵀu of 0 says that no such v exists. Only rows that are violated ever enter, a few dozen a pass, so that
the rows themselves may be many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

ADDED = 64
TOLERANCE = 1e-6
# Below this remainder the margin is under a millionth of the radius, and rounding decides.
SMALLEST_REMAINDER = 1e-12


@dataclass(frozen=True)
class Separation:
    """What was found. `separable` None: not settled in the passes allowed.

    `margin` ρ is the least yᵢ(w·xᵢ + b) of the unit vector (`weight`, `bias`), within 1e-6 of the largest possible, and
    0 where there is none; `radius` r is the largest ‖xᵢ‖.
    """

    separable: bool | None
    margin: float
    radius: float
    weight: Tensor | None = None
    bias: float = 0.0


@torch.no_grad()
def separate(rows: Iterable[tuple[Tensor, Tensor]], *, passes: int = 200) -> Separation:
    """The widest separation of rows that come in blocks of x (row, column) and labels y (row,) in −1 and 1.

    `rows` is iterated over once for each of at most `passes` passes. Raises ValueError without rows.
    """
    radius = _radius(rows)
    size = (radius**2 + 1) ** 0.5
    chosen: Tensor | None = None
    u = torch.zeros(0, dtype=torch.float64)
    v: Tensor | None = None
    for _ in range(passes):
        least, added = _most_violated(rows, v, size=size)
        if v is not None and least >= 1 - TOLERANCE:
            norm = float(v.norm())
            return Separation(True, size * least / norm, radius, (v[:-1] / norm), float(v[-1] / norm))
        chosen = added if chosen is None else torch.cat([chosen[u > 0], added])
        u = _nonnegative(chosen, torch.cat([u[u > 0], torch.zeros(len(added), dtype=torch.float64)]))
        remainder = 1 - float(u.sum())
        if remainder < SMALLEST_REMAINDER:
            return Separation(False, 0.0, radius)
        v = (u @ chosen) / remainder
    return Separation(None, 0.0, radius)


def _radius(rows: Iterable[tuple[Tensor, Tensor]]) -> float:
    largest = [float(torch.linalg.vector_norm(x.double(), dim=1).max()) for x, _ in rows if len(x)]
    if not largest:
        raise ValueError("a separation needs at least one row")
    return max(largest)


def _most_violated(rows: Iterable[tuple[Tensor, Tensor]], v: Tensor | None, *, size: float) -> tuple[float, Tensor]:
    """The least aᵢ·v, and the rows with the smallest ones, divided by `size`. Without v: some rows of either class."""
    best: Tensor | None = None
    values = torch.zeros(0, dtype=torch.float64)
    for x, y in rows:
        if not len(x):
            continue
        signs = y.cpu().double()[:, None]
        a = torch.cat([x.cpu().double(), torch.ones(len(x), 1, dtype=torch.float64)], dim=1) * signs / size
        value = torch.arange(len(a)).double() if v is None else a @ v
        keep = value.topk(min(ADDED, len(a)), largest=False).indices
        best = a[keep] if best is None else torch.cat([best, a[keep]])
        values = torch.cat([values, value[keep]])
        keep = values.topk(min(ADDED, len(values)), largest=False).indices
        best, values = best[keep], values[keep]
    assert best is not None
    violated = values < 1 - TOLERANCE if v is not None else torch.ones_like(values, dtype=torch.bool)
    return float(values.min()), best[violated]


def _nonnegative(a: Tensor, start: Tensor) -> Tensor:
    """The u ≥ 0 that minimises ‖aᵀu‖² + (1ᵀu − 1)², by Lawson and Hanson's active sets, from the feasible `start`."""
    gram = a @ a.T + 1
    u = start.clone()
    passive = u > 0
    for _ in range(10 * len(a) + 100):
        if bool(passive.any()):
            u, passive = _inner(gram, u, passive)
        remainder = max(1 - float(u.sum()), 0.0)
        descent = torch.where(passive, -torch.inf, 1 - gram @ u)
        place = int(descent.argmax())
        if remainder < SMALLEST_REMAINDER or float(descent[place]) <= 0.1 * TOLERANCE * remainder:
            break
        passive[place] = True
    return u


def _inner(gram: Tensor, u: Tensor, passive: Tensor) -> tuple[Tensor, Tensor]:
    """Solve for the passive places; drop those that would turn negative, the first ones met first."""
    while True:
        places = passive.nonzero()[:, 0]
        solved = _solve(gram[places][:, places])
        if bool((solved > 0).all()):
            result = torch.zeros_like(u)
            result[places] = solved
            return result, passive
        old = u[places]
        blocking = solved <= 0
        share = (old[blocking] / (old[blocking] - solved[blocking])).nan_to_num(0.0).min()
        moved = (old + share * (solved - old)).clamp(min=0)
        moved[blocking & (moved <= 1e-15 * moved.max())] = 0
        u, passive = torch.zeros_like(u), torch.zeros_like(passive)
        u[places] = moved
        passive[places] = moved > 0
        if not bool(passive.any()):
            return u, passive


def _solve(gram: Tensor) -> Tensor:
    """The s with gram s = 1; rows that hang together get a tiny ridge."""
    ones = torch.ones(len(gram), 1, dtype=gram.dtype)
    ridge = 1e-15
    while True:
        factor, failed = torch.linalg.cholesky_ex(gram + ridge * torch.eye(len(gram), dtype=gram.dtype))
        if not int(failed):
            return torch.cholesky_solve(ones, factor)[:, 0]
        ridge *= 10
