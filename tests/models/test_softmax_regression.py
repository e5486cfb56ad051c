"""Softmax regression on handwritten digits, with the cross-entropy and with least squares on one-hot targets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sonde import models
from sonde.ops import losses


@pytest.mark.parametrize(("loss", "behind"), [(losses.cross_entropy, 0.02), (losses.one_hot_squared, 0.08)])
def test_digits(loss: Callable[..., tuple[torch.Tensor, float]], behind: float) -> None:
    digits = load_digits()
    x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    model = models.build("softmax-regression", {"numbers": 64, "outputs": 10})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        total, count = loss(model(x[:1400]), y[:1400])
        (total / count).backward()
        optimizer.step()
    accuracy = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
    reference = LogisticRegression(C=1.0, max_iter=300).fit(x[:1400].numpy(), y[:1400].numpy()).score(x[1400:].numpy(), y[1400:].numpy())
    assert accuracy > reference - behind


def test_starts_undecided() -> None:
    model = models.build("softmax-regression", {"numbers": 3, "categories": (4,), "outputs": 5})
    logits = model(torch.randn(2, 3), torch.zeros(2, 1, dtype=torch.int64))
    assert logits.softmax(1).tolist() == [[pytest.approx(0.2)] * 5] * 2
