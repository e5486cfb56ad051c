"""The parts of a network in order from input to output, by name: what can be frozen, or learn at a rate of its own.

A network says which they are: `stages`, a table from a stage's name ("stem", "stage1", "stage2", … and last "head", the
classifier) to the names of its modules or parameters. Every parameter and buffer stands in exactly one stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import nn

HEAD = "head"


@runtime_checkable
class Staged(Protocol):
    """A network that names its stages."""

    @property
    def stages(self) -> Mapping[str, tuple[str, ...]]:
        """Stage → names of its modules or parameters, from input to output; the last one is "head"."""
        ...


def stages_of(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """The stages of `network`. One that names none is all head."""
    if isinstance(network, Staged):
        return dict(network.stages)
    return {HEAD: tuple(name for name, _ in network.named_children())}


def stage_by_name(network: nn.Module) -> dict[str, str]:
    """The stage of every parameter and buffer that is saved. Raises ValueError where a name stands in none, or in two."""
    table: dict[str, str] = {}
    for name in network.state_dict():
        found = [stage for stage, prefixes in stages_of(network).items() if is_in(name, prefixes)]
        if len(found) != 1:
            raise ValueError(f"{name} stands in {len(found)} stages of {type(network).__name__}: {found}")
        table[name] = found[0]
    return table


def is_in(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a parameter's name is one of `prefixes`, or below one of them (`conv1` holds `conv1.bias`, not `conv10.bias`)."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
