"""Where a token stands: sinusoidal, learned and rotary positions.

    sinusoidal   x + P,  P[i, 2j] = sin(i ωⱼ), P[i, 2j+1] = cos(i ωⱼ), ωⱼ = 10000^(−2j/d)    Vaswani et al. 2017, section 3.5
    learned      x + P,  P a table that is trained, and begins as the sinusoidal one         Gehring et al. 2017
    rotary       queries and keys of each head are turned by i ωⱼ, so that their product     Su et al. 2021
                 depends on how far apart they stand alone
"""

from __future__ import annotations

from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.errors import RecipeError

Kind = Literal["sinusoidal", "learned", "rotary"]
Turn = tuple[Tensor, Tensor] | None  # cosines and sines (step, width/2) by which queries and keys are turned
BASE: Final = 10_000.0


def angles(start: int, steps: int, width: int, *, device: torch.device | None = None) -> Float[Tensor, "step pair"]:
    """The angles i ωⱼ of the positions start … start + steps − 1, float64: at single precision far positions would lose their last digits."""
    exact = torch.float32 if device is not None and device.type == "mps" else torch.float64
    place = torch.arange(start, start + steps, device=device, dtype=exact)
    return place[:, None] * BASE ** (-2 * torch.arange((width + 1) // 2, device=device, dtype=exact) / width)


def sinusoids(start: int, steps: int, width: int, *, device: torch.device | None = None) -> Float[Tensor, "step width"]:
    """P of the positions start … start + steps − 1. An odd width ends with a sine."""
    angle = angles(start, steps, width, device=device)
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width]


def turned(x: Float[Tensor, "... step width"], turn: Turn) -> Float[Tensor, "... step width"]:
    """Each pair (x₂ⱼ, x₂ⱼ₊₁) turned by its angle; `x` itself where there is none."""
    if turn is None:
        return x
    cos, sin = turn
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class Positions(nn.Module):
    """What a model of width `width`, whose heads are `head` wide, does about positions. `length`: the most that a table is learned for.

    Sinusoidal and rotary positions go on beyond any length, learned ones end there with a ValueError.
    """

    def __init__(self, kind: Kind, *, width: int, head: int, length: int) -> None:
        super().__init__()
        if kind == "rotary" and head % 2:
            what = f"rotary positions turn pairs of columns, and heads {head} wide leave one without its pair"
            raise RecipeError(what, where="model.positions", remedy="choose model.width and model.heads whose quotient is even")
        self.kind, self.width, self.head = kind, width, head
        self.table: Tensor | None = None  # sinusoids, or cosines and sines of the angles, of the first positions: see _rows
        if kind == "learned":
            self.weight = nn.Parameter(sinusoids(0, length, width).float())

    def forward(self, x: Float[Tensor, "batch step width"], start: int = 0) -> Float[Tensor, "batch step width"]:
        """`x` with its positions added, the first of which is `start`; rotary ones are not added."""
        steps = x.shape[1]
        if self.kind == "rotary":
            return x
        if self.kind == "sinusoidal":
            return x + self._rows(start, steps, x)
        if start + steps > len(self.weight):
            raise ValueError(f"position {start + steps} was asked for, and {len(self.weight)} positions were learned")
        return x + self.weight[start : start + steps]

    def turn(self, x: Float[Tensor, "batch step width"], start: int = 0) -> Turn:
        """By what queries and keys of these steps are turned: rotary positions, None for the others."""
        if self.kind != "rotary":
            return None
        cos, sin = self._rows(start, x.shape[1], x)
        return cos, sin

    def _rows(self, start: int, steps: int, x: Tensor) -> Tensor:
        """Sinusoids (step, width), or cosines and sines (2, step, head/2), of these positions, in x's type and on its device.

        They are kept from call to call: the step of a decoder would spend a tenth of its time on them.
        """
        if torch.compiler.is_compiling() or type(x) is not Tensor:  # a graph is to hold no state, and pretended numbers are none
            return self._computed(start, steps, x)
        axis = 1 if self.kind == "rotary" else 0
        table = self.table
        if table is None or table.dtype != x.dtype or table.device != x.device or table.shape[axis] < start + steps:
            with torch.inference_mode(False), torch.no_grad():  # training may be what reads it next
                table = self._computed(0, max(2 * start, start + steps), x)
            self.table = table
        return table.narrow(axis, start, steps)

    def _computed(self, start: int, steps: int, x: Tensor) -> Tensor:
        if self.kind == "sinusoidal":
            return sinusoids(start, steps, self.width, device=x.device).to(x.dtype)
        angle = angles(start, steps, self.head, device=x.device)
        return torch.stack([angle.cos(), angle.sin()]).to(x.dtype)
