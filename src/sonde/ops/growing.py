"""Tensors that grow by a few steps at a time, such as the keys and values that a decoder keeps: what is there is not copied at each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import torch
from torch import Tensor

LEAST: Final = 16  # steps that room is made for at first


Value = TypeVar("Value")


@dataclass(frozen=True)
class Common(Generic[Value]):
    """A part of a state that all rows have in common, so that their order does not touch it."""

    value: Value

    def index_select(self, dim: int, index: Tensor) -> Common[Value]:
        """Itself."""
        return self

    def detach(self) -> Common[Value]:
        """Itself."""
        return self

    def __getitem__(self, rows: slice) -> Common[Value]:
        return self


class _Room:
    """Memory that several values of different lengths begin in, and how far it is written."""

    __slots__ = ("filled", "memory")

    def __init__(self, memory: Tensor, filled: int) -> None:
        self.memory, self.filled = memory, filled


class Growing:
    """A tensor whose axis `steps` grows and whose axis `rows` is that of the batch; its other axes lie as the caller likes.

    It is a value: `appended` gives a longer one and leaves this one as it is. The longer one goes on in this one's memory, which has twice
    the room that was needed when it was made, so that n steps cost n writes. Where the room is full, or another one has been appended to
    this one already (two beams that go on from one prefix), the memory is copied; where gradients are recorded, each time.
    `shared`: beams of one row have the same, as they have of a source that was read.
    """

    __slots__ = ("_room", "length", "rows", "shared", "steps")

    def __init__(self, tensor: Tensor, *, steps: int, rows: int = 0, shared: bool = False) -> None:
        self._room = _Room(tensor, tensor.shape[steps])
        self.length, self.steps, self.rows, self.shared = tensor.shape[steps], steps, rows, shared

    @property
    def tensor(self) -> Tensor:
        """All steps so far: a view of the memory."""
        return self._room.memory.narrow(self.steps, 0, self.length)

    def appended(self, piece: Tensor) -> Growing:
        """This one and then the steps of `piece`, whose other axes are the same."""
        if torch.is_grad_enabled():
            return self._like(torch.cat([self.tensor, piece], dim=self.steps))
        added = piece.shape[self.steps]
        length = self.length + added
        room = self._room if self._has_room(added) else self._moved(length)
        room.memory.narrow(self.steps, self.length, added).copy_(piece)
        room.filled = length
        return self._of(room, length)

    def index_select(self, dim: int, index: Tensor) -> Growing:
        """Row `index[i]` as row i, as Tensor.index_select does for the axis of the rows; there is room for as many steps as before."""
        if dim:
            raise ValueError(f"of what grows rows alone can be chosen, axis 0, not {dim}")
        if torch.is_grad_enabled():
            return self._like(self.tensor.index_select(self.rows, index))
        shape = list(self._room.memory.shape)
        shape[self.rows] = len(index)
        memory = self._room.memory.new_empty(shape)
        chosen, tensor = memory.narrow(self.steps, 0, self.length), self.tensor
        if self.steps == 1 and self.rows == len(shape) - 1:  # of two axes it is several times as fast as of more
            for before, after in zip(tensor.unbind(0), chosen.unbind(0), strict=True):
                torch.index_select(before.flatten(0, -2), 1, index, out=after.flatten(0, -2))
        else:
            chosen.copy_(tensor.index_select(self.rows, index))
        return self._of(_Room(memory, self.length), self.length)

    def detach(self) -> Growing:
        """The same without the graph that led to it."""
        return self._like(self.tensor.detach())

    def __getitem__(self, rows: slice) -> Growing:
        """A piece of the batch, as a tensor's whose rows come first."""
        begin, end, _ = rows.indices(self._room.memory.shape[self.rows])
        return self._like(self.tensor.narrow(self.rows, begin, end - begin))

    def _like(self, tensor: Tensor) -> Growing:
        return Growing(tensor, steps=self.steps, rows=self.rows, shared=self.shared)

    def _of(self, room: _Room, length: int) -> Growing:
        new = object.__new__(Growing)
        new._room, new.length, new.steps, new.rows, new.shared = room, length, self.steps, self.rows, self.shared
        return new

    def _has_room(self, added: int) -> bool:
        room = self._room
        return (
            room.filled == self.length
            and self.length + added <= room.memory.shape[self.steps]
            and room.memory.is_inference() == torch.is_inference_mode_enabled()  # what was made in inference mode cannot be written outside
        )

    def _moved(self, length: int) -> _Room:
        """Room for twice as much, with the steps so far in it."""
        shape = list(self._room.memory.shape)
        shape[self.steps] = max(2 * length, LEAST)
        memory = self._room.memory.new_empty(shape)
        memory.narrow(self.steps, 0, self.length).copy_(self.tensor)
        return _Room(memory, self.length)
