"""Anchors, matching and decoding as the textbook ("Dive into deep learning", computer vision) describes them, with its loops.

Written here from its description, in its order of work; no code of it is used. Anchors are computed at every call; matching goes picture by
picture, and in a picture truth by truth; suppression goes picture by picture and keeps one box at a time, over all anchors. All coordinates
are shares of the picture. The functions carry the book's names, so that a reader of it finds them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def multibox_prior(height: int, width: int, sizes: list[float], ratios: list[float]) -> Tensor:
    """Anchors (height · width · (n + m − 1), 4) of a map."""
    size, ratio = torch.tensor(sizes), torch.tensor(ratios)
    across, down = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    y, x = torch.meshgrid(down, across, indexing="ij")
    y, x = y.reshape(-1), x.reshape(-1)
    w = torch.cat([size * ratio[0].sqrt(), size[0] * ratio[1:].sqrt()]) * height / width
    h = torch.cat([size / ratio[0].sqrt(), size[0] / ratio[1:].sqrt()])
    half = torch.stack([-w, -h, w, h], 1).repeat(height * width, 1) / 2
    return torch.stack([x, y, x, y], 1).repeat_interleave(len(w), 0) + half


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU (n, m)."""
    area_a, area_b = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (a, b))
    upper, lower = torch.max(a[:, None, :2], b[:, :2]), torch.min(a[:, None, 2:], b[:, 2:])
    sides = (lower - upper).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    return shared / (area_a[:, None] + area_b - shared)


def assign_anchor_to_bbox(truths: Tensor, anchors: Tensor, threshold: float = 0.5) -> Tensor:
    """The number of each anchor's truth, or −1."""
    overlap = box_iou(anchors, truths)
    assigned = torch.full((len(anchors),), -1, dtype=torch.long)
    best, truth = overlap.max(1)
    near = best >= threshold
    assigned[near.nonzero().reshape(-1)] = truth[near]
    for _ in range(len(truths)):
        place = overlap.argmax()
        chosen, of = place // len(truths), place % len(truths)
        assigned[chosen] = of
        overlap[:, of] = -1
        overlap[chosen, :] = -1
    return assigned


def centres(boxes: Tensor) -> Tensor:
    """Corners → centre form."""
    left, top, right, bottom = boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]
    return torch.stack(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), -1)


def offset_boxes(anchors: Tensor, assigned: Tensor, tiny: float = 1e-6) -> Tensor:
    """Offsets of assigned boxes from their anchors."""
    anchor, box = centres(anchors), centres(assigned)
    moved = 10 * (box[:, :2] - anchor[:, :2]) / anchor[:, 2:]
    return torch.cat([moved, 5 * torch.log(tiny + box[:, 2:] / anchor[:, 2:])], 1)


def multibox_target(anchors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets, masks (picture, anchor, 4) and classes (picture, anchor; 0: background) from labels (picture, truth, 5): class, box."""
    offsets, masks, classes = [], [], []
    for label in labels:
        assigned = assign_anchor_to_bbox(label[:, 1:], anchors)
        mask = (assigned >= 0).float()[:, None].repeat(1, 4)
        own_class, own_box = torch.zeros(len(anchors), dtype=torch.long), torch.zeros(len(anchors), 4)
        matched = (assigned >= 0).nonzero().reshape(-1)
        truth = assigned[matched]
        own_class[matched] = label[truth, 0].long() + 1
        own_box[matched] = label[truth, 1:]
        offsets.append(offset_boxes(anchors, own_box) * mask)
        masks.append(mask)
        classes.append(own_class)
    return torch.stack(offsets), torch.stack(masks), torch.stack(classes)


def offset_inverse(anchors: Tensor, offsets: Tensor) -> Tensor:
    """Corner boxes from offsets."""
    anchor = centres(anchors)
    middle = offsets[:, :2] * anchor[:, 2:] / 10 + anchor[:, :2]
    size = torch.exp(offsets[:, 2:] / 5) * anchor[:, 2:]
    return torch.cat([middle - size / 2, middle + size / 2], 1)


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The numbers of the kept boxes, best first."""
    left = scores.argsort(dim=-1, descending=True, stable=True)  # stable, so that equal scores do not make other results
    kept = []
    while left.numel() > 0:
        best = left[0]
        kept.append(best)
        if left.numel() == 1:
            break
        overlap = box_iou(boxes[best].reshape(-1, 4), boxes[left[1:]].reshape(-1, 4)).reshape(-1)
        left = left[(overlap <= threshold).nonzero().reshape(-1) + 1]
    return torch.stack(kept)


def multibox_detection(probabilities: Tensor, offsets: Tensor, anchors: Tensor, threshold: float = 0.5, least: float = 0.01) -> Tensor:
    """Rows (picture, anchor, 6) of class (−1: background or suppressed), confidence and box, the kept ones first.

    `probabilities` (picture, class, anchor), class 0 the background; `offsets` (picture, anchor, 4).
    """
    out = []
    for probability, offset in zip(probabilities, offsets, strict=True):
        confidence, found = probability[1:].max(0)
        boxes = offset_inverse(anchors, offset)
        kept = nms(boxes, confidence, threshold)
        every = torch.arange(len(anchors))
        numbers, counts = torch.cat([kept, every]).unique(return_counts=True)
        dropped = numbers[counts == 1]
        order = torch.cat([kept, dropped])
        found[dropped] = -1
        found, confidence, boxes = found[order], confidence[order], boxes[order]
        background = confidence < least
        found[background] = -1
        confidence[background] = 1 - confidence[background]
        out.append(torch.cat([found[:, None].to(boxes), confidence[:, None], boxes], 1))
    return torch.stack(out)
