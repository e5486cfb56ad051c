"""Writes segmentation.json: what torchvision's FCN and DeepLab v3 put out with the weights of weights.py. Needs torchvision; tests do not.

    PYTHONPATH=tests python -m models.golden.make_segmentation
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch

from models.golden.weights import pictures, weights

SIZE, CLASSES, EVERY = 64, 5, 8
THEIRS = {"fcn-resnet50": "fcn_resnet50", "deeplab-v3": "deeplabv3_resnet50"}


def main() -> None:
    """Every `EVERY`th pixel of the logits, and of the auxiliary ones."""
    module: Any = importlib.import_module("torchvision.models.segmentation")
    found = {}
    for name, function in THEIRS.items():
        model = getattr(module, function)(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True).double().eval()
        model.load_state_dict(weights({key: tuple(value.shape) for key, value in model.state_dict().items()}))
        with torch.no_grad():
            outputs = model(pictures(1, SIZE))
        found[name] = {key: outputs[key][0, :, ::EVERY, ::EVERY].tolist() for key in ("out", "aux")}
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(logits)}" for name, logits in found.items())
    (Path(__file__).parent / "segmentation.json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
