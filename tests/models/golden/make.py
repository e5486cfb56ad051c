"""Writes torchvision.json: what torchvision's own models put out with the weights of weights.py. Needs torchvision; tests do not.

    PYTHONPATH=tests python -m models.golden.make
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.golden.weights import pictures, weights
from models.published import names

COUNT, SIZE, CLASSES, DENSE = 2, 96, 5, 64


def theirs(name: str) -> nn.Module:
    """torchvision's model, with dense layers of 64 units where there are hidden ones: their 4,096 would take most of the time."""
    file = "resnet" if "resnet" in name else "vgg" if "vgg" in name else {"inception-v3": "inception"}.get(name, name)
    module: Any = importlib.import_module(f"torchvision.models.{file}")
    function = getattr(module, name.replace("resnet50-2", "resnet50_2").replace("resnet101-2", "resnet101_2").replace("-", "_"))
    options = {"aux_logits": True, "init_weights": False} if name in ("googlenet", "inception-v3") else {}
    model: Any = function(weights=None, num_classes=CLASSES, **options)
    if name == "alexnet" or "vgg" in name:
        places = [place for place, layer in enumerate(model.classifier) if isinstance(layer, nn.Linear)]
        before = model.classifier[places[0]].in_features
        for place, (of, to) in zip(places, [(before, DENSE), (DENSE, DENSE), (DENSE, CLASSES)], strict=True):
            model.classifier[place] = nn.Linear(of, to)
    return model.double().eval()


def main() -> None:
    """Every model of published_keys.json."""
    found = {}
    for name in names():
        model = theirs(name)
        model.load_state_dict(weights({key: tuple(value.shape) for key, value in model.state_dict().items()}))
        with torch.no_grad():
            found[name] = model(pictures(COUNT, SIZE)).tolist()
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(logits)}" for name, logits in found.items())
    (Path(__file__).parent / "torchvision.json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
