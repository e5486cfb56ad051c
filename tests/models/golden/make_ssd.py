"""Writes ssd.json: what torchvision's own SSD300 says of a picture with the weights of weights.py. Needs torchvision; tests do not.

    PYTHONPATH=tests python -m models.golden.make_ssd
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch

from models.golden.weights import pictures, weights

SIZE, CLASSES = 300, 3
# Every so many of the 8,732 anchors are kept, so that the file stays small and every level is there.
EVERY = 97


def main() -> None:
    """Logits, offsets and anchors, and keys with their shapes."""
    library: Any = importlib.import_module("torchvision.models.detection.ssd")
    lists: Any = importlib.import_module("torchvision.models.detection.image_list")
    model = library.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=CLASSES + 1).double().eval()
    state = model.state_dict()
    model.load_state_dict(weights({key: tuple(value.shape) for key, value in state.items()}))
    images = pictures(1, SIZE)
    with torch.no_grad():
        maps = list(model.backbone(images).values())
        answers = model.head(maps)
        (anchors,) = model.anchor_generator(lists.ImageList(images, [(SIZE, SIZE)]), maps)
        boxes = model.box_coder.decode_single(answers["bbox_regression"][0], anchors)
    found = {
        "keys": {key: list(value.shape) for key, value in state.items()},
        "logits": answers["cls_logits"][0, ::EVERY].tolist(),
        "offsets": answers["bbox_regression"][0, ::EVERY].tolist(),
        "anchors": anchors[::EVERY].tolist(),
        "boxes": boxes[::EVERY].tolist(),
    }
    (Path(__file__).parent / "ssd.json").write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
