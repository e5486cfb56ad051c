"""Writes detectors.json: what torchvision's Faster and Mask R-CNN find with the weights of weights.py. Needs torchvision; tests do not.

    PYTHONPATH=tests python -m models.golden.make_detectors
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.golden.weights import values, weights

HEIGHT, WIDTH, CLASSES = 64, 96, 3
# Fewer proposals than usual, so that the head takes no time.
BEFORE, AFTER, SCORE = 200, 60, 0.05
# By how much the formula's weights are too large for boxes that are worth comparing: residual branches that would double the signal at
# each block, objectness and scores that would saturate, offsets that would throw every box out of the picture.
FACTORS = {
    "bn3.weight": 0.25,
    "rpn.head.bbox_pred.weight": 0.1,
    "rpn.head.cls_logits.weight": 0.05,
    "box_predictor.bbox_pred.weight": 0.5,
    "box_predictor.cls_score.weight": 0.1,
}
NAMES = {"faster-rcnn": "fasterrcnn_resnet50_fpn", "mask-rcnn": "maskrcnn_resnet50_fpn"}


def tamed(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The formula's weights with FACTORS."""
    state = weights(shapes)
    for name in state:
        for end, factor in FACTORS.items():
            if name.endswith(end):
                state[name] = state[name] * factor
    return state


def picture() -> Tensor:
    """(1, 3, HEIGHT, WIDTH), float64 in [0, 1)."""
    return (values("picture", 3 * HEIGHT * WIDTH).view(1, 3, HEIGHT, WIDTH) + 1) / 2


def theirs(name: str) -> nn.Module:
    """torchvision's model; norms are frozen and have no ε, as with its published weights, and the picture is neither scaled nor normalised."""
    detection: Any = importlib.import_module("torchvision.models.detection")
    misc: Any = importlib.import_module("torchvision.ops.misc")
    model: Any = getattr(detection, NAMES[name])(
        weights=None, weights_backbone=None, num_classes=CLASSES + 1, min_size=HEIGHT, max_size=WIDTH, image_mean=[0, 0, 0], image_std=[1, 1, 1],
        rpn_pre_nms_top_n_test=BEFORE, rpn_post_nms_top_n_test=AFTER, box_score_thresh=SCORE,
    )  # fmt: skip
    for module in list(model.modules()):
        for key, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, key, misc.FrozenBatchNorm2d(child.num_features, eps=0.0))
    return model.double().eval()


def main() -> None:
    """Boxes, classes and scores of both, and the first mask."""
    found: dict[str, Any] = {}
    for name in NAMES:
        model: Any = theirs(name)
        model.load_state_dict(tamed({key: tuple(value.shape) for key, value in model.state_dict().items()}))
        heads: dict[str, Tensor] = {}
        model.roi_heads.register_forward_hook(lambda *given, heads=heads: heads.update({k: v.clone() for k, v in given[2][0][0].items()}))
        with torch.no_grad():
            model([picture()[0]])
        found[name] = {"boxes": heads["boxes"].tolist(), "labels": heads["labels"].tolist(), "scores": heads["scores"].tolist()}
        if "masks" in heads:
            found[name]["mask"] = [round(value, 9) for value in heads["masks"][0].flatten().tolist()]
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(result)}" for name, result in found.items())
    (Path(__file__).parent / "detectors.json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
