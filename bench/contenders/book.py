"""The loop that textbooks print: a dataset that turns one PIL picture at a time into a tensor, a DataLoader, sums of loss and hits.

Written here from its description. Turning a picture into a tensor does what torchvision's ToTensor does: PIL to NumPy (a copy),
axes swapped, float, divided by 255.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bench.contenders.digits import mnist
from bench.contenders.gate import Gate, settings
from bench.contenders.networks import network


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """A PIL picture as a float tensor (1, height, width) in 0…1."""
    values = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(picture.size[1], picture.size[0], 1)
    return values.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """One PIL picture and its label at a time."""

    def __init__(self, pictures: np.ndarray, labels: np.ndarray) -> None:
        self.pictures, self.labels = torch.from_numpy(pictures), labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return to_tensor(Image.fromarray(self.pictures[index].numpy(), mode="L")), self.labels[index]


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    loader = DataLoader(Pictures(*mnist(given.examples)), batch_size=given.batch, shuffle=True, num_workers=given.workers)
    net: nn.Module = network(given.network)
    if given.compile:
        net = torch.compile(net)
    optimizer, loss = torch.optim.SGD(net.parameters(), lr=given.lr), nn.CrossEntropyLoss()
    while True:
        gate.begin()
        net.train()
        sums = [0.0, 0.0, 0.0]
        for inputs, targets in loader:
            optimizer.zero_grad()
            outputs = net(inputs)
            value = loss(outputs, targets)
            value.backward()
            optimizer.step()
            with torch.no_grad():
                sums[0] += float(value * len(targets))
                sums[1] += float((outputs.argmax(1) == targets).sum())
                sums[2] += len(targets)
        gate.end(sums[0] / sums[2])


if __name__ == "__main__":
    main()
