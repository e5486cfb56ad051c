"""Whether an export predicts what its run does, on examples of the training part."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.contents import Examples
from sonde.errors import RunError, SondeError
from sonde.export.numpy_runtime.masks import MaskFiller
from sonde.export.numpy_runtime.model import Model
from sonde.export.numpy_runtime.problem import PredictError
from sonde.export.numpy_runtime.questions import Answerer
from sonde.export.questions import asked, drawn
from sonde.run import Run
from sonde.tasks.masked_language_modelling import MaskedLanguageModelling

TOLERANCE = 1e-5  # of the largest output
CHECKED = 64  # examples of the training part that are compared
FEW = 4  # rows of pre-training, each of which gives logits of the whole vocabulary at every place


def examples_of(run: Run, *, most: int = CHECKED) -> tuple[tuple[Tensor, ...], Examples | None, str]:
    """At most `most` raw inputs to check with, and the examples that they come from; drawn ones where the run's data are not at hand."""
    most = FEW if isinstance(run.task, MaskedLanguageModelling) else most
    try:
        columns, index, examples = run.part("train")
    except SondeError:
        return tuple(each[:most] for each in _drawn(run)), None, "drawn inputs, as the run's data are not at hand"
    if columns.passages is not None:  # a row of the data is several of these
        return tuple(each[:most] for each in _drawn(run)), None, "drawn inputs"
    if columns.windows is not None:  # so is a question, but it is a row of the file
        return (*asked(run, columns.windows.question.numpy()[index], examples), "questions of the training part")
    chosen = index[np.unique(np.linspace(0, len(index) - 1, min(most, len(index))).astype(np.int64))]
    rows = chosen if len(chosen) > 1 else np.repeat(chosen, 2)
    kept = columns.take(torch.from_numpy(rows)).inputs
    inputs = tuple(each if each.dtype in (torch.uint8, torch.float32) else each.long() for each in kept)
    # The windows of a series need the rows before them, so that its examples are not taken apart.
    apart = None if run.description["kind"] == "series" or "window" in run.preparation.to_json() else examples.take(rows)
    return inputs, apart, "examples of the training part"


def _drawn(run: Run) -> tuple[Tensor, ...]:
    """Random raw inputs of the right form: pictures; sentences; numbers about their mean, a tenth missing; codes."""
    draw = np.random.default_rng(0)
    sizes, normalisation = run.preparation.sizes, run.preparation.normalisation
    if "channels" in sizes:
        height, width = sizes.get("canvas", (sizes["size"], sizes["size"]))
        return (torch.from_numpy(draw.integers(0, 256, (CHECKED, sizes["channels"], height, width), dtype=np.uint8)),)
    if "separator" in sizes:
        return drawn(sizes, CHECKED)
    if "vocabulary" in sizes:
        lengths = torch.from_numpy(draw.integers(1, sizes["length"] + 1, CHECKED))
        tokens = torch.from_numpy(draw.integers(1, sizes["vocabulary"], (CHECKED, sizes["length"])))
        return tokens.masked_fill(torch.arange(sizes["length"]) >= lengths[:, None], 0), lengths
    mean, std = np.atleast_1d(normalisation["mean"]), np.atleast_1d(normalisation["std"])
    width = sizes["numbers"] if normalisation["kind"] == "series" else len(mean)
    numbers = mean + std * draw.normal(size=(CHECKED, width))
    if normalisation["kind"] == "table":
        numbers[draw.random(numbers.shape) < 0.1] = np.nan
    codes = [draw.integers(0, size, CHECKED) for size in sizes["categories"]]
    return (torch.from_numpy(numbers.astype(np.float32)), *([torch.from_numpy(np.stack(codes, axis=1))] if codes else []))


def compare_inputs(exported: Model | Answerer, examples: Examples, inputs: tuple[Tensor, ...], *, where: str) -> None:
    """The preprocessing: the same examples must become the same raw inputs."""
    source: Any = examples.frame.to_dicts()
    if examples.pictures is not None:
        source = [examples.pictures.read(place) for place in range(len(examples))]
        alike = len({picture.shape for picture in source}) == 1
        source = np.stack(source) if alike else None
    if source is None:  # of different sizes: no array holds them
        return
    try:
        _, theirs = exported.encode(source)
    except PredictError as error:
        raise RunError(f"the exported preprocessing fails on training examples ({error})", where=where, remedy="report the data's form") from None
    for ours, other in zip(inputs, theirs, strict=True):
        if not np.array_equal(ours.numpy(), other, equal_nan=ours.is_floating_point()):
            what = "the exported preprocessing makes other inputs of training examples than the run does"
            raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`), and report the data's form")


def compare(exported: Model | Answerer | MaskFiller, model: nn.Module, inputs: tuple[Tensor, ...], *, where: str = "the model") -> float:
    """The largest difference between the export's outputs and the model's, relative to the largest output of its column.

    Raises RunError where it exceeds 1e-5.
    """
    difference = apart(*both_outputs(exported, model, inputs, where=where))
    refuse_apart(difference, where=where)
    return difference


def both_outputs(exported: Model | Answerer | MaskFiller, model: nn.Module, inputs: tuple[Tensor, ...], *, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The model's outputs and the export's. Raises RunError where the latter has none."""
    with torch.no_grad():
        ours = model(*inputs).numpy()
    try:
        return ours, exported.outputs(*(each.numpy() for each in inputs))
    except (TypeError, ValueError, IndexError, KeyError) as error:
        what = f"the exported graph does not run on NumPy ({error})"
        raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`), and report the model") from error


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest of ours; infinite where shapes, or which values are finite, differ."""
    if theirs.shape != ours.shape or not np.array_equal(np.isfinite(theirs), np.isfinite(ours)):
        return float("inf")
    finite = np.where(np.isfinite(ours), ours, 0).astype(np.float64)
    gap = np.abs(finite - np.where(np.isfinite(ours), theirs, 0))
    return float(gap.max(initial=0) / max(float(np.abs(finite).max(initial=0)), 1e-30))


def refuse_apart(difference: float, *, where: str) -> None:
    """RunError where outputs differ by more than 1e-5 of the largest."""
    if not difference <= TOLERANCE:
        what = f"the exported model's outputs differ from the run's by {difference:.1e} of the largest, more than {TOLERANCE:.0e}"
        raise RunError(what, where=where, remedy="use the run with PyTorch (`sonde predict`), and report the model")
