"""A loop by hand with Hugging Face accelerate around it."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bench.contenders.digits import prepared
from bench.contenders.gate import Gate, settings
from bench.contenders.networks import network


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    accelerator = Accelerator(cpu=True)
    loader = DataLoader(
        TensorDataset(*(torch.from_numpy(array) for array in prepared(given.examples))), batch_size=given.batch, shuffle=True
    )
    net = network(given.network)
    if given.compile:
        net = torch.compile(net)
    net, optimizer, loader = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=given.lr), loader)
    while True:
        gate.begin()
        net.train()
        total = torch.zeros(())
        for inputs, targets in loader:
            value = functional.cross_entropy(net(inputs), targets)
            accelerator.backward(value)
            optimizer.step()
            optimizer.zero_grad()
            total += value.detach() * len(targets)
        gate.end(float(total) / given.examples)


if __name__ == "__main__":
    main()
