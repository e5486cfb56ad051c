"""The recurrent network of tokens (Elman 1990), which carries a state from each token to the next.

Its layer is nn/recurrent.py, the recurrence itself ops/rnn.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sonde.nn.recurrent_network import Per, RecurrentNetwork
from sonde.nn.recurrent_series import RecurrentSeries, build_recurrent


@dataclass(frozen=True)
class Config:
    """`layers` of them, `width` units each; `bidirectional`: one that reads from the beginning and one from the end.

    `embedding`: the width of a token's vector; 0: a one-hot vector; None: one-hot up to 256 tokens, as books have it for characters,
    else `width`. `tied`: the output's weights are the embedding's (Press and Wolf 2017). `dropout` is of embeddings, between
    layers and before the output, never from step to step (Zaremba, Sutskever and Vinyals 2014); `recurrent_dropout` of the
    weights from state to state, the same ones at all steps (Merity, Keskar and Socher 2018).
    Of a series, which has no vocabulary, `numbers` values are read, the last `after` of them behind the gap that is filled in.
    """

    vocabulary: int = 0
    outputs: int = 0
    per: Per = "sequence"
    numbers: int = 0
    after: int = 0
    embedding: int | None = None
    width: int = 256
    layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    tied: bool = False


VARIANTS: dict[str, Config] = {"rnn": Config()}


def build(config: Config) -> RecurrentNetwork | RecurrentSeries:
    """The model. Raises RecipeError for sizes that contradict each other."""
    return build_recurrent("rnn", asdict(config))
