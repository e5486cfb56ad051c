"""From scores at every place to a detector's answer, for detectors whose boxes are the same for all classes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.ops.suppression import detections

CANDIDATES = 1000  # pairs of a place and a class that are looked at


@torch.no_grad()
def best_boxes(
    boxes: Float[Tensor, "picture place 4"],
    scores: Float[Tensor, "picture place klass"],
    *,
    iou: float,
    most: int,
    floor: float,
    candidates: int = CANDIDATES,
) -> Float[Tensor, "picture most 6"]:
    """Rows (left, top, right, bottom, class, score), best first, zeros after the last.

    Of all pairs of a place and a class with a score over `floor` the best `candidates` of a picture enter the suppression by class
    at `iou`; a place can answer with several classes.
    """
    classes = scores.shape[2]
    flat = scores.flatten(1)
    found, index = flat.topk(min(candidates, flat.shape[1]), dim=1)
    place = (index // max(classes, 1))[..., None].expand(-1, -1, 4)
    return detections(boxes.gather(1, place), found, index % max(classes, 1), iou=iou, most=most, floor=floor)
