"""Keys and shapes of the checkpoints that torchvision publishes for 1,000 classes, in the order of its state dicts.

published_keys.json has, for each model, its layers: "64x3x7x7" is a weight of that shape, "… bias" has a bias beside it, "norm 64" is a
batch norm of 64 channels. They were written down from torchvision 0.28.0 itself. GoogLeNet's and Inception v3's checkpoints hold their
auxiliary heads (aux1, aux2; AuxLogits).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

Shape = tuple[int, ...]


@functools.cache
def _layers() -> dict[str, dict[str, str]]:
    return json.loads((Path(__file__).parent / "published_keys.json").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The models whose checkpoints are known, by Sonde's names."""
    return list(_layers())


def published(name: str) -> dict[str, Shape]:
    """Key → shape of the published checkpoint of model `name`."""
    keys: dict[str, Shape] = {}
    for layer, what in _layers()[name].items():
        if what.startswith("norm "):
            vector = (int(what.removeprefix("norm ")),)
            keys |= {f"{layer}.{key}": vector for key in ("weight", "bias", "running_mean", "running_var")}
            keys[f"{layer}.num_batches_tracked"] = ()
        else:
            shape = tuple(int(size) for size in what.removesuffix(" bias").split("x"))
            keys[f"{layer}.weight"] = shape
            if what.endswith(" bias"):
                keys[f"{layer}.bias"] = shape[:1]
    return keys
