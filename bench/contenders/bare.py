"""The shortest loop by hand, on arrays that stay in memory.

`--workers` chooses what they are: 0 uint8 as read, 1 float32 ready made, 2 a DataLoader over the latter, 3 as 1 with network and
pictures channels-last. On a GPU all pictures lie there before the clock runs.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bench.contenders.digits import mnist, prepared
from bench.contenders.gate import Gate, Settings, settings
from bench.contenders.networks import network


def batches(given: Settings) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
    """Endless epochs of shuffled batches; pictures float32 (batch, 1, 28, 28)."""
    if given.workers == 0:
        pictures, labels = (torch.from_numpy(array) for array in mnist(given.examples, given.network))
    else:
        pictures, labels = (torch.from_numpy(array).to(given.device) for array in prepared(given.examples, given.network))
    loader = DataLoader(TensorDataset(pictures, labels), batch_size=given.batch, shuffle=True)
    while True:
        if given.workers == 2:
            yield ((inputs, targets) for inputs, targets in loader)
            continue
        order = torch.randperm(len(labels), device=given.device)
        pieces = order.split(given.batch)
        if given.workers == 0:
            yield ((pictures[index].unsqueeze(1).float().div_(255), labels[index]) for index in pieces)
        else:
            yield ((pictures[index], labels[index]) for index in pieces)


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    net: nn.Module = network(given.network).to(given.device)
    order = torch.channels_last if given.workers == 3 else torch.contiguous_format
    net.to(memory_format=order)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(net.parameters(), lr=given.lr)

    def step(inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(given.device, dtype=torch.bfloat16, enabled=given.precision == "bf16"):
            value = functional.cross_entropy(net(inputs.contiguous(memory_format=order)), targets)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value.detach()

    if given.compile:
        step = torch.compile(step)  # the whole step, the update too
    net.train()
    epochs = batches(given)
    while True:
        gate.begin()
        total = torch.zeros((), device=given.device)
        for inputs, targets in next(epochs):
            total += step(inputs, targets) * len(targets)
        gate.end(float(total) / given.examples)


if __name__ == "__main__":
    main()
