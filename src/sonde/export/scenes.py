"""Networks that see places in pictures as graphs: logits of pixels; boxes and scores of a detector, whose suppression is done in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.drawing import colours_of
from sonde.data.prepare.images import pictures_of
from sonde.errors import RunError
from sonde.export.check import apart, both_outputs, examples_of, refuse_apart
from sonde.export.numpy_runtime import scenes
from sonde.export.numpy_runtime.detector import Detector
from sonde.export.numpy_runtime.model import Loaded
from sonde.export.numpy_runtime.segmenter import Segmenter
from sonde.nn.prepared import Prepared, Scored
from sonde.ops.candidates import CANDIDATES
from sonde.ops.fusion import TOGETHER
from sonde.run import Run

CHECKED = 8  # pictures that are compared: a large network takes seconds for each


class ScoredPlaces(nn.Module):
    """A detector up to its suppression, from raw canvases."""

    def __init__(self, normalise: nn.Module, network: Scored) -> None:
        super().__init__()
        self.normalise, self.network = normalise, network

    def forward(self, canvases: Tensor) -> Tensor:
        """(picture, place, 4 + class): boxes in pixels, then scores."""
        return torch.cat(self.network.scored(*self.normalise(canvases)), dim=-1)


def answer(run: Run) -> dict[str, Any]:
    """What the graph's outputs mean. RunError for detectors that look at regions of their own choice."""
    values = run.target.values
    classes = [str(name) for name in values["classes"]]
    if values["kind"] == "mask":
        return {"kind": "pixels", "classes": classes, "palette": colours_of(classes, values.get("palette"))}
    network = run.model.network
    if not isinstance(network, Scored):
        name = run.description["model"]["name"]
        what = f"{name} chooses regions half-way and looks at these again, which a graph that is the same for every picture cannot hold"
        remedy = "use the run with PyTorch (`sonde predict`), or train a detector that judges all places at once: ssd-small, yolo-small, yolo-v1-small"
        raise RunError(what, where=str(run.path), remedy=remedy)
    limits = network.config
    kept = {"iou": limits.overlap, "most": limits.most, "floor": limits.score, "candidates": CANDIDATES, "together": TOGETHER}
    return {"kind": "objects", "classes": classes, **kept}


def network_of(run: Run) -> nn.Module:
    """The module that becomes the graph: canvases uint8 (picture, channel, height, width) in; logits, or boxes and scores, out."""
    model = run.model
    assert isinstance(model, Prepared)
    return (ScoredPlaces(model.normalise, model.network) if isinstance(model.network, Scored) else model).eval()


def inputs_of(run: Run) -> tuple[Tensor, ...]:
    """Two canvases to trace the graph with."""
    (canvases,), _, _ = examples_of(run, most=2)
    return (canvases,)


def compare_scenes(exported: Loaded, run: Run) -> tuple[float, int, str]:
    """The largest difference of outputs, relative to the largest of their kind, on how many pictures, of what; canvases are compared exactly.

    Raises RunError where outputs differ by more than 1e-5, or canvases at all.
    """
    assert isinstance(exported, (Segmenter, Detector))
    (model,) = exported.models
    (canvases,), examples, said = examples_of(run, most=CHECKED)
    if examples is not None:
        fitted, names = model.preprocessing["preparation"], pictures_of(examples)
        for row, canvas in enumerate(canvases.numpy()):
            picture = names.read(row, fitted["longer"])
            height, width = (int(examples.frame[side][row]) for side in ("height", "width"))
            if not np.array_equal(scenes.place(picture, fitted, names.name(row), (height, width)), canvas):
                what = "the exported preprocessing makes another canvas of a training picture than the run does"
                raise RunError(what, where=names.name(row), remedy="use the run with PyTorch (`sonde predict`), and report the data's form")
    ours, theirs = both_outputs(model, network_of(run), (canvases,), where=str(run.path))
    boxes = 4 if isinstance(exported, Detector) else 0  # in pixels, where scores go from 0 to 1
    difference = max(apart(ours[..., :boxes], theirs[..., :boxes]), apart(ours[..., boxes:], theirs[..., boxes:]))
    refuse_apart(difference, where=str(run.path))
    return difference, len(canvases), said
