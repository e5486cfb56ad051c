"""What `python predict.py` does for models of places in pictures: its flags, and predictions of all files in order."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .detector import Detector
from .pictures import SUFFIXES
from .problem import PredictError
from .segmenter import OVERLAP, Segmenter, save_planes

SURE = 0.3
FLAGS = {"score": Detector, "planes": Segmenter, "overlap": Segmenter, "no_windows": Segmenter}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of pictures."""
    group = parser.add_argument_group("pictures")
    group.add_argument("--score", type=float, help=f"leave out objects that are less sure than this (default: {SURE}; 0 gives all)")
    group.add_argument("--planes", type=Path, metavar="DIR", help="write the class of each pixel to this folder, as NAME.png with a palette")
    group.add_argument("--no-windows", action="store_true", help="scale pictures larger than the canvas down as a whole")
    group.add_argument("--overlap", type=float, help=f"share of a window that its neighbour shows again (default: {OVERLAP})")


def refuse(given: argparse.Namespace, model: Any) -> None:
    """PredictError where a flag is for another kind of model."""
    for flag, kind in FLAGS.items():
        if getattr(given, flag) not in (None, False) and not isinstance(model, kind):
            what = "this model finds no objects" if kind is Detector else "this model does not tell the classes of pixels"
            raise PredictError(what, where="--" + flag.replace("_", "-"), remedy="leave it out")


def predict(model: Segmenter | Detector, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Predictions of all files in order: picture files together."""
    together = len(given.files) > 1 and all(Path(file).suffix.lower() in SUFFIXES for file in given.files)
    sources: list[Any] = [given.files] if together else given.files
    if isinstance(model, Detector):
        return [_rounded(model.predict(source, least=SURE if given.score is None else given.score)) for source in sources]
    model.windows = not given.no_windows
    model.overlap = OVERLAP if given.overlap is None else given.overlap
    taken: dict[str, int] = {}
    return [model.predict(source) if given.planes is None else save_planes(model, source, given.planes, taken) for source in sources]


def _rounded(columns: dict[str, Any]) -> dict[str, Any]:
    """Hundredths of a pixel are enough to read."""
    digits = {"score": 5, "left": 2, "top": 2, "right": 2, "bottom": 2}
    short = {name: [value if value is None else round(value, many) for value in columns[name]] for name, many in digits.items()}
    return columns | short
