"""The textbook's anchor code against Sonde's, with the same results: 5,444 anchors on five maps, 32 pictures.

Anchors: 32², 16², 8², 4² and 1 places with 4 anchors each. The book computes them at every step; Sonde keeps them by shape. Matching: 8
truths a picture, to offsets, masks and classes. Decoding with suppression at IoU 0.5 and confidences from 0.01 on: in sparse scenes a
network knows background from objects (8 a picture, and what overlaps them); in dense ones it has not learned yet, and all anchors are
confident of something. Every result is compared with the book's before the clock runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bench.contenders import book_boxes as book
from bench.machine import THREADS
from bench.table import Options, Row, main
from bench.timing import interleave, ratios
from sonde.ops.anchors import book_shapes, level_anchors
from sonde.ops.boxes import iou
from sonde.ops.matching import match_best
from sonde.ops.offsets import decode, encode
from sonde.ops.suppression import NONE, suppress_batch

SIDES = (32, 16, 8, 4, 1)
SIZES = ([0.2, 0.272], [0.37, 0.447], [0.54, 0.619], [0.71, 0.79], [0.88, 0.961])
RATIOS = [1.0, 2.0, 0.5]
MAPS, STRIDES = tuple((side, side) for side in SIDES), tuple(1 / side for side in SIDES)
SHAPES = tuple(book_shapes(sizes, RATIOS) for sizes in SIZES)
PICTURES, TRUTHS, CLASSES = 32, 8, 20
THRESHOLD, LEAST, BACKGROUND = 0.5, 0.01, 9.0


def book_anchors() -> Tensor:
    """The book's, of all maps."""
    return torch.cat([book.multibox_prior(side, side, sizes, RATIOS) for side, sizes in zip(SIDES, SIZES, strict=True)])


def sonde_anchors() -> Tensor:
    """Sonde's, of all maps."""
    return level_anchors(MAPS, SHAPES, strides=STRIDES)


def targets(anchors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the book's multibox_target gives, for all pictures at once."""
    truths = labels[..., 1:]
    matched = match_best(anchors[None], truths, torch.ones(labels.shape[:2], dtype=torch.bool), threshold=THRESHOLD)
    mask = matched >= 0
    picture, anchor = mask.nonzero(as_tuple=True)
    truth = labels[picture, matched[picture, anchor]]
    offsets, classes = anchors.new_zeros(*mask.shape, 4), torch.zeros_like(matched)
    offsets[picture, anchor] = encode(truth[:, 1:], anchors[anchor])
    classes[picture, anchor] = truth[:, 0].long() + 1
    return offsets, mask[..., None].expand_as(offsets), classes


def detect(probabilities: Tensor, offsets: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which anchors stay, best first, and all confidences, classes and boxes."""
    confidence, found = probabilities[:, 1:].max(1)
    boxes = decode(offsets, anchors, largest_growth=math.inf)
    return suppress_batch(boxes, confidence, iou=THRESHOLD, floor=math.nextafter(LEAST, 0)), confidence, found, boxes


def scenes(anchors: Tensor, labels: Tensor, *, dense: bool) -> tuple[Tensor, Tensor]:
    """A network's probabilities (picture, class, anchor) and offsets (picture, anchor, 4)."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(PICTURES, CLASSES + 1, len(anchors), generator=generator)
    offsets = torch.randn(PICTURES, len(anchors), 4, generator=generator)
    if not dense:
        overlap = iou(anchors.expand(len(labels), -1, -1), labels[..., 1:])
        best, truth = overlap.max(2)
        positive = best >= THRESHOLD
        logits[:, 0] += torch.where(positive, 0.0, BACKGROUND)
        number = labels[..., 0].gather(1, truth).long() + 1
        logits.scatter_add_(1, number[:, None], torch.where(positive, 6.0, 0.0)[:, None])
        wanted = encode(labels[..., 1:].gather(1, truth[..., None].expand(-1, -1, 4)), anchors)
        offsets = torch.where(positive[..., None], wanted + 0.3 * offsets, 0.3 * offsets)
    return logits.softmax(1), offsets


def same(theirs: Tensor, ours: tuple[Tensor, Tensor, Tensor, Tensor]) -> int:
    """The detections of both are the same, in the same order; how many there are a picture. AssertionError otherwise."""
    kept, confidence, found, boxes = ours
    for picture, rows in enumerate(theirs):
        rows, chosen = rows[rows[:, 0] >= 0], kept[picture][kept[picture] != NONE]
        assert torch.equal(rows[:, 0].long(), found[picture, chosen]), "other classes"
        assert torch.equal(rows[:, 1], confidence[picture, chosen]), "other confidences"
        torch.testing.assert_close(rows[:, 2:], boxes[picture, chosen], rtol=1e-5, atol=1e-6)
    return int((kept != NONE).sum()) // len(kept)


def timed(function: Callable[[], object], calls: int) -> Callable[[], float]:
    """Seconds of a call, the mean of `calls`."""

    def call() -> float:
        started = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - started) / calls

    return call


def measure(options: Options) -> list[Row]:
    """Each of the four tasks: both contenders' milliseconds, and their ratio."""
    torch.set_num_threads(THREADS)
    rounds = 1 if options.quick else options.rounds or 9
    theirs, anchors = book_anchors(), sonde_anchors()
    assert len(anchors) == 5_444
    torch.testing.assert_close(theirs, anchors, rtol=0, atol=1e-6)
    generator = torch.Generator().manual_seed(0)
    low, size = torch.rand(PICTURES, TRUTHS, 2, generator=generator) * 0.7, torch.rand(PICTURES, TRUTHS, 2, generator=generator) * 0.5 + 0.05
    number = torch.randint(0, CLASSES, (PICTURES, TRUTHS, 1), generator=generator).float()
    labels = torch.cat([number, low, (low + size).clamp(max=1)], 2)
    for a, b in zip(book.multibox_target(anchors, labels), targets(anchors, labels), strict=True):
        torch.testing.assert_close(a, b.to(a), rtol=1e-4, atol=1e-4)  # the book adds a millionth inside its logarithm
    tasks: dict[str, tuple[Callable[[], object], Callable[[], object], float]] = {
        "anchors": (book_anchors, sonde_anchors, 100.0),
        "matching": (lambda: book.multibox_target(anchors, labels), lambda: targets(anchors, labels), 2.5),
    }
    for name, dense, least in (("sparse", False, 50.0), ("dense", True, 6.0)):
        drawn = scenes(anchors, labels, dense=dense)
        found = same(book.multibox_detection(*drawn, anchors, THRESHOLD, LEAST), detect(*drawn, anchors))
        tasks[f"decoding, {name} ({found} found a picture)"] = (
            lambda drawn=drawn: book.multibox_detection(*drawn, anchors, THRESHOLD, LEAST),
            lambda drawn=drawn: detect(*drawn, anchors),
            least,
        )
    rows = []
    for name, (slow, fast, least) in tasks.items():
        calls = 200 if name == "anchors" else 1  # Sonde's takes microseconds
        measured = interleave({"book": timed(slow, calls), "sonde": timed(fast, calls)}, rounds=rounds)
        for contender, seconds in measured.items():
            rows.append(Row(f"{name}: {contender}", [1e3 * s for s in seconds], "ms"))
        rows.append(Row(f"{name}: book / sonde", ratios(measured["book"], measured["sonde"]), "×", at_least=least))
    return rows


if __name__ == "__main__":
    main("The textbook's anchor code, with the same results", measure)
