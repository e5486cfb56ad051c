"""One of two processes that share a batch: run as `python batch_norm_worker.py FOLDER RANK`."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from sonde.nn.batch_norm import BatchNorm

# Which examples each of two processes has; in the second case one of them has none.
SHARES = {"both": (slice(0, 5), slice(5, 8)), "one": (slice(0, 8), slice(8, 8))}


def case(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs far from 0 and the gradient that arrives at the output."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 4, 3, 2, generator=generator, dtype=torch.float64) * 3 + 100
    return x.to(dtype), torch.randn(8, 4, 3, 2, generator=generator, dtype=torch.float64).to(dtype)


def layer(dtype: torch.dtype) -> BatchNorm:
    """A layer with a scale and a shift that are not the first ones."""
    made = BatchNorm(4).to(dtype)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([1.0, 2.0, -1.0, 0.5]))
        made.bias.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0]))
    return made


def main(folder: Path, rank: int) -> None:
    """Two steps on this process's share; everything is written to a file."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
    result = {}
    for name, dtype in itertools.product(SHARES, (torch.float32, torch.float64)):
        inputs, gradient = case(dtype)
        share, norm = SHARES[name][rank], layer(dtype)
        x = inputs[share].requires_grad_()
        for _ in range(2):
            y = norm(x)
        y.backward(gradient[share])
        result[f"{name} {dtype}"] = {"y": y.detach(), "dx": x.grad, "dw": norm.weight.grad, "db": norm.bias.grad, **norm.state_dict()}
    lonely = BatchNorm(4)
    try:
        lonely(torch.ones(int(rank == 0), 4))
    except ValueError as error:
        result["message"] = str(error)
    torch.save(result, folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
