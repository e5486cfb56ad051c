"""HIPS autograd, the other derivative engine over NumPy: the 784-256-10 perceptron with plain SGD."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from bench.contenders.digits import prepared
from bench.contenders.gate import Gate, settings

Weights = tuple[np.ndarray, ...]


def loss(weights: Weights, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean cross-entropy of a ReLU network."""
    w1, b1, w2, b2 = weights
    logits = anp.dot(anp.maximum(anp.dot(x, w1) + b1, 0), w2) + b2
    shifted = logits - anp.max(logits, axis=1, keepdims=True)
    log_p = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
    return -anp.mean(log_p[np.arange(len(y)), y])


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    pictures, labels = prepared(given.examples)
    pictures = pictures.reshape(len(pictures), -1)
    draws = np.random.default_rng(0)
    weights: Weights = tuple(
        array.astype(np.float32)
        for array in (draws.normal(0, (2 / 784) ** 0.5, (784, 256)), np.zeros(256), draws.normal(0, 0.08, (256, 10)), np.zeros(10))
    )
    step = value_and_grad(loss)
    while True:
        order = draws.permutation(given.examples)
        gate.begin()
        total = 0.0
        for place in range(0, given.examples, given.batch):
            rows = order[place : place + given.batch]
            value, gradients = step(weights, pictures[rows], labels[rows])
            for w, g in zip(weights, gradients, strict=True):
                w -= np.float32(given.lr) * g
            total += float(value) * len(rows)
        gate.end(total / given.examples)


if __name__ == "__main__":
    main()
