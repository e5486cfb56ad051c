"""The processes that train together, as a value. A world of one process is the identity.

Started by `torchrun … -m sonde train …` or `--processes N`; both set RANK, WORLD_SIZE, LOCAL_RANK and the address of
the first process. Gloo carries CPU tensors, NCCL those on GPUs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sonde.errors import DeviceError
from sonde.training.allocator import keep_large_blocks

CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """This process among `size` ones."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def main(self) -> bool:
        """Whether this process writes the run folder and speaks to the user."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over processes, in place; the same on each."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def totals(self, counts: list[dict[str, float]]) -> dict[str, float]:
        """Counts of one step summed over its pieces and over processes: what every loss term is divided by."""
        if len(counts) == 1 and self.size == 1:
            return counts[0]
        summed = {name: float(sum(piece[name] for piece in counts)) for name in counts[0]}
        if self.size > 1:
            values = self.sum(torch.tensor(list(summed.values()), dtype=torch.float64, device=self.device)).tolist()
            summed = dict(zip(summed, values, strict=True))
        return summed

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor([float(flag)], device=self.device)).item() > 0)

    def gather(self, rows: Tensor) -> Tensor | None:
        """Every process's rows, in rank order, on the main process; None on the others."""
        if self.size == 1:
            return rows
        sizes = torch.zeros(self.size, dtype=torch.int64, device=self.device)
        sizes[self.rank] = len(rows)
        longest = int(self.sum(sizes).max())
        padded = rows.new_zeros((longest, *rows.shape[1:]))
        padded[: len(rows)] = rows
        pieces = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(pieces, padded)
        if not self.main:
            return None
        return torch.cat([piece[: int(size)] for piece, size in zip(pieces, sizes, strict=True)])

    def share(self, value: Any) -> Any:
        """The main process's value, a plain one (numbers, text, lists, tables), on every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


def choose_device(name: str | None, local_rank: int = 0) -> torch.device:
    """The device by name, or the best there is; DeviceError where the machine has none such."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"{name!r} is not a device", where="--device", remedy="use cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        wanted = device.index if device.index is not None else local_rank
        if wanted >= count:
            raise DeviceError(
                f"{name} was asked for, and this machine has {count} such devices that this PyTorch can use",
                where="--device",
                remedy="use --device cpu, or install a PyTorch built for your GPU",
            )
        return torch.device("cuda", wanted)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("mps was asked for, and this machine has none", where="--device", remedy="use --device cpu")
    if device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"{name!r} is not a device that Sonde trains on", where="--device", remedy="use cpu, cuda or mps")
    return device


@contextmanager
def join(device: str | None) -> Iterator[World]:
    """The world that the environment describes; a world of one where it describes none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    chosen = choose_device(device, local_rank)
    if chosen.type == "cpu":
        keep_large_blocks()
    if size == 1:
        yield World(device=chosen)
        return
    joined_here = not dist.is_initialized()
    if joined_here:
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield World(rank, size, chosen)
    finally:
        if joined_here:
            dist.destroy_process_group()


def leave(code: int) -> None:
    """End this process with `code`; one of several ends at once.

    Gloo's threads may still be letting go of tensors, and then abort a process whose interpreter is being taken down
    (pytorch/pytorch#179291): in one of some twenty trainings. All files are closed by now.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
