"""Tensors that grow by a few steps at a time, such as the keys and values that a decoder keeps: what is there is not copied at each step."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

LEAST: Final = 16  # steps that room is made for at first


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
    """

    __slots__ = ("_room", "length", "rows", "steps")

    def __init__(self, tensor: Tensor, *, steps: int, rows: int = 0) -> None:
        self._room = _Room(tensor, tensor.shape[steps])
        self.length, self.steps, self.rows = tensor.shape[steps], steps, rows

    @property
    def tensor(self) -> Tensor:
        """All steps so far: a view of the memory."""
        return self._room.memory.narrow(self.steps, 0, self.length)

    def appended(self, piece: Tensor) -> Growing:
        """This one and then the steps of `piece`, whose other axes are the same."""
        if torch.is_grad_enabled():
            return Growing(torch.cat([self.tensor, piece], dim=self.steps), steps=self.steps, rows=self.rows)
        added = piece.shape[self.steps]
        longer = object.__new__(Growing)
        longer.length, longer.steps, longer.rows = self.length + added, self.steps, self.rows
        longer._room = self._room if self._has_room(added) else self._moved(longer.length)
        longer._room.memory.narrow(self.steps, self.length, added).copy_(piece)
        longer._room.filled = longer.length
        return longer

    def index_select(self, dim: int, index: Tensor) -> Growing:
        """Row `index[i]` as row i, as Tensor.index_select does for the axis of the rows."""
        return Growing(_selected(self.tensor, self._axis(dim), index), steps=self.steps, rows=self.rows)

    def detach(self) -> Growing:
        """The same without the graph that led to it."""
        return Growing(self.tensor.detach(), steps=self.steps, rows=self.rows)

    def __getitem__(self, rows: slice) -> Growing:
        """A piece of the batch, as a tensor's whose rows come first."""
        begin, end, _ = rows.indices(self._room.memory.shape[self.rows])
        return Growing(self.tensor.narrow(self.rows, begin, end - begin), steps=self.steps, rows=self.rows)

    def _axis(self, dim: int) -> int:
        if dim:
            raise ValueError(f"of what grows rows alone can be chosen, axis 0, not {dim}")
        return self.rows

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


def _selected(x: Tensor, axis: int, index: Tensor) -> Tensor:
    """As index_select, which takes numbers one by one where `axis` is the last one: gather is some times as fast there."""
    if axis != x.ndim - 1 or x.device.type != "cpu":
        return x.index_select(axis, index)
    return x.gather(axis, index.expand(*x.shape[:-1], len(index)))
