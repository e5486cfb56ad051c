"""The architectures that torchvision publishes weights for: same keys, same shapes, same outputs.

Once, they were compared with torchvision 0.28.0 itself. Parameter counts and keys of all are equal. Seven of them (alexnet, vgg11, vgg16-bn,
googlenet, inception-v3, resnet18, wide-resnet50-2) were run at full size, 224 pixels (299 for Inception v3), with the same random weights
on both sides: the largest difference of logits is 0, and 5e-7 of the largest logit for Inception v3, whose means are taken after a
convolution instead of before. All of them, smaller, are in golden/torchvision.json, which is kept: the logits that torchvision's modules
give in float64, with weights and pictures by a formula (golden/weights.py; golden/make.py wrote it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.golden.make import CLASSES, COUNT, DENSE, SIZE
from models.golden.weights import pictures, weights
from models.published import names, published
from sonde import models

GOLDEN: dict[str, list[list[float]]] = json.loads((Path(__file__).parent / "golden" / "torchvision.json").read_text(encoding="utf-8"))


def build(name: str, table: dict[str, Any]) -> nn.Module:
    """The model without memory, with the auxiliary classifiers that published weights have."""
    auxiliary = {"auxiliary": True} if name in ("googlenet", "inception-v3") else {}
    with torch.device("meta"):
        return models.build(name, {"channels": 3, **table, **auxiliary})


@pytest.mark.parametrize("name", names())
def test_state_keys_and_shapes_are_the_published_ones(name: str) -> None:
    model = build(name, {"size": 299 if name == "inception-v3" else 224, "classes": 1000})
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == published(name)


def test_every_golden_output_is_of_a_published_model() -> None:
    assert list(GOLDEN) == names()


@pytest.mark.parametrize("name", names())
def test_outputs_are_torchvisions(name: str) -> None:
    model = build(name, {"size": SIZE, "classes": CLASSES} | ({"dense": DENSE} if name == "alexnet" or "vgg" in name else {}))
    model.load_state_dict(weights({key: tuple(value.shape) for key, value in model.state_dict().items()}), assign=True)
    with torch.no_grad():
        logits = model.eval()(pictures(COUNT, SIZE))
    expected = torch.tensor(GOLDEN[name], dtype=torch.float64)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))
