"""stand-in"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from sonde.nn.sequence import State


@dataclass(frozen=True)
class Config:
    """c"""

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token", "sequence"] = "sequence"
    width: int = 256
    layers: int = 1


VARIANTS = {"gru": Config()}


class GRU(nn.Module):
    carries = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.rnn = nn.GRU(config.width, config.width, config.layers, batch_first=True)
        self.output = nn.Linear(config.width, config.outputs)

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        h = None if state is None else state[0].transpose(0, 1).contiguous()
        y, h = self.rnn(self.embedding(tokens), h)
        return self.output(y), (h.transpose(0, 1),)


def build(config: Config) -> GRU:
    return GRU(config)
