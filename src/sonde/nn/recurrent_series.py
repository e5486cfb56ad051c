"""A network of numbers in a row around recurrent layers: what models/rnn.py, gru.py and lstm.py are where the data are a series.

The past is read from its first value to its last; what is known after a gap from its end back to the gap. What both have come to
is what the values between are told from: a latent state in place of a Markov window.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise
from sonde.nn.recurrent import Cell, Recurrent
from sonde.nn.recurrent_network import RecurrentNetwork, Sizes, build_network, check_sizes


def build_recurrent(cell: Cell, values: Mapping[str, Any]) -> RecurrentNetwork | RecurrentSeries:
    """The network of a Config's values: of numbers where there is no vocabulary, else of tokens. Raises RecipeError for sizes that contradict each other."""
    sizes = Sizes(**{name: value for name, value in values.items() if name not in ("numbers", "after")})
    if values["numbers"] and not sizes.vocabulary:
        return build_series(cell, sizes, after=values["after"])
    return build_network(cell, sizes)


def build_series(cell: Cell, sizes: Sizes, *, after: int) -> RecurrentSeries:
    """The network; the last `after` values that it reads stand behind a gap. Raises RecipeError for sizes that it cannot have."""
    check_sizes(sizes)
    if sizes.tied:
        what = "model.tied makes one matrix of embedding and output, and numbers have no embedding"
        raise RecipeError(what, where="model.config", remedy="leave out model.tied: it is for language models")
    return RecurrentSeries(cell, sizes, after=after)


class RecurrentSeries(nn.Module):
    """Values (batch, number), the earliest first → recurrent layers → outputs (batch, output).

    `bidirectional`: the past is read in both directions. Values after a gap have layers of their own, which read backwards.
    """

    def __init__(self, cell: Cell, sizes: Sizes, *, after: int) -> None:
        super().__init__()
        self.layers, self.after = sizes.layers, after
        self.recurrent = _layers(cell, sizes, both=sizes.bidirectional)
        self.backward_recurrent = _layers(cell, sizes, both=False) if after else None
        self.dropout = Dropout(sizes.dropout)
        features = sizes.width * (len(self.recurrent.directions) + (1 if after else 0))
        self.output = nn.Linear(features, sizes.outputs)
        initialise(self.output.weight, "xavier-uniform")
        nn.init.zeros_(self.output.bias)

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Layers from the lowest up, output."""
        named = [name for name, _ in self.named_parameters() if "recurrent" in name]
        found = {f"stage{n + 1}": tuple(name for name in named if name.removesuffix("_reverse").endswith(f"_l{n}")) for n in range(self.layers)}
        return {**found, "head": ("output",)}

    def forward(self, values: Float[Tensor, "batch number"]) -> Float[Tensor, "batch output"]:
        """What stands in the gap, or follows."""
        past, behind = values[:, : values.shape[1] - self.after], values[:, values.shape[1] - self.after :]
        state = self.recurrent(past.t()[..., None], None)[1][0]
        told = state[:, -len(self.recurrent.directions) :].flatten(1)
        if self.backward_recurrent is not None:
            back = self.backward_recurrent(behind.flip(1).t()[..., None], None)[1][0]
            told = torch.cat([told, back[:, -1]], 1)
        output: Tensor = self.output(self.dropout(told))
        return output


def _layers(cell: Cell, sizes: Sizes, *, both: bool) -> Recurrent:
    dropped = {"dropout": sizes.dropout, "recurrent_dropout": sizes.recurrent_dropout}
    return Recurrent(cell, 1, sizes.width, layers=sizes.layers, bidirectional=both, reset_after=sizes.reset_after, **dropped)
