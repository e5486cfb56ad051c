"""`sonde.scratch`, NumPy alone: plain SGD on pictures that stand ready as float32."""

from __future__ import annotations

import numpy as np

from bench.contenders.digits import prepared
from bench.contenders.gate import Gate, settings
from sonde.scratch import models
from sonde.scratch.losses import cross_entropy
from sonde.scratch.optimisers import SGD


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    pictures, labels = prepared(given.examples)
    original = given.network == "lenet-original"
    model = models.mlp(784, 10) if given.network == "mlp" else models.lenet(act="sigmoid" if original else "relu", pooling="average" if original else "max")
    draws = np.random.default_rng(0)
    weights, optimiser = model.weights(draws, np.float32), SGD(given.lr)
    while True:
        order = draws.permutation(given.examples)
        gate.begin()
        total = 0.0
        for place in range(0, given.examples, given.batch):
            rows = order[place : place + given.batch]
            value, count = cross_entropy(model.forward(weights, pictures[rows]), labels[rows])
            for w in weights.values():
                w.grad = None
            (value / count).backward()
            optimiser.step(weights)
            total += value.item()
        gate.end(total / given.examples)


if __name__ == "__main__":
    main()
