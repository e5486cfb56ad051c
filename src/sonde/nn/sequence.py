"""What tasks, decoding and explanations may ask of a model of sequences, whatever its architecture."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sonde.ops import decode
from sonde.ops.growing import Growing

State = decode.State


@runtime_checkable
class LanguageModel(Protocol):
    """A model that foretells the next token."""

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (batch, step, token) after each of `tokens` (batch, step), and the state that the next window starts from.

        In training mode the state is what a truncated back-propagation carries on (None where nothing is carried); in
        evaluation mode calls that cut a text anywhere give the same logits as one call with all of it.
        """
        ...


@runtime_checkable
class BlankFiller(Protocol):
    """A model that foretells a token from what stands on both sides of it."""

    def between(self, tokens: Tensor) -> Tensor:
        """Logits (batch, step, token) of the token at each place of `tokens` (batch, step), from all others."""
        ...


@runtime_checkable
class Translator(LanguageModel, Protocol):
    """A model that foretells the next token of a target from what it has read of a source."""

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """The state that the target starts from, for sources (batch, length) with their lengths: all that `advance` needs to know of them."""
        ...


@runtime_checkable
class PreTrained(Protocol):
    """A model that foretells masked pieces, and whether a second text follows the first."""

    def pretraining(self, tokens: Tensor, lengths: Tensor | None, places: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (masked, token) at `places` of the flattened tokens, and (batch, 2)."""
        ...


def network_of(model: nn.Module) -> nn.Module:
    """The network behind a `Prepared` model's first step; tokens need no preparation."""
    network = getattr(model, "network", model)
    assert isinstance(network, nn.Module)
    return network


def language_model(model: nn.Module) -> LanguageModel:
    """The network, where it foretells tokens. Raises TypeError otherwise."""
    network = network_of(model)
    if not isinstance(network, LanguageModel):
        raise TypeError(f"{type(network).__name__} has no `advance`, so it is no language model")
    return network


def blank_filler(model: nn.Module) -> BlankFiller | None:
    """The network, where it reads what follows a token as well (it says so by an attribute `fills`) and foretells from both."""
    network = network_of(model)
    return network if getattr(network, "fills", False) and isinstance(network, BlankFiller) else None


def translator(model: nn.Module) -> Translator:
    """The network, where it translates. Raises TypeError otherwise."""
    network = network_of(model)
    if not isinstance(network, Translator):
        raise TypeError(f"{type(network).__name__} has no `encode` and `advance`, so it is no translator")
    return network


def pre_trained(model: nn.Module) -> PreTrained:
    """The network, where it has the heads of pre-training. Raises TypeError otherwise."""
    network = network_of(model)
    if not isinstance(network, PreTrained):
        raise TypeError(f"{type(network).__name__} has no `pretraining`, so it foretells no masked words")
    return network


def carries_state(network: nn.Module) -> bool:
    """Whether training carries a state from window to window (recurrent models say so by an attribute `carries`)."""
    return bool(getattr(network, "carries", False))


def tensors(state: State) -> tuple[Tensor, ...]:
    """The parts of a state that is tensors alone, such as one that training carries; () where there is none."""
    parts = tuple(part for part in state or () if isinstance(part, Tensor))
    assert len(parts) == len(state or ())
    return parts


def grown(state: tuple[Any, ...]) -> tuple[Growing, ...]:
    """The parts of a state that grow, where all do."""
    parts = tuple(part for part in state if isinstance(part, Growing))
    assert len(parts) == len(state)
    return parts


def detached(state: State) -> State:
    """The state without the graph that led to it."""
    return None if state is None else tuple(part.detach() for part in state)


def rows_of(state: State, begin: int, end: int) -> State:
    """Rows `begin` … `end` − 1 of the batch."""
    return None if state is None else tuple(part[begin:end] for part in state)


def joined(states: list[State]) -> State:
    """The rows of all states one after the other, without the graph; None where there are none."""
    known = [tensors(state) for state in states if state is not None]
    if not known or len(known) < len(states):
        return None
    if len(known) == 1:
        return detached(known[0])
    return tuple(torch.cat([part.detach() for part in parts]) for parts in zip(*known, strict=True))
