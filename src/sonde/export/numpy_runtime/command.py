"""`python predict.py FILE…`: predictions as CSV."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import scene_command
from .blanks import BlankFiller
from .detector import Detector
from .language_model import LanguageModel
from .masks import MaskFiller
from .model import Loaded, load
from .pictures import SUFFIXES
from .problem import PredictError
from .segmenter import Segmenter
from .translator import Translator
from .word_vectors import WordVectors


def main(arguments: Sequence[str], folder: Path) -> int:
    """Predict for the files named and write CSV to standard output or --out; 2 where something is to be mended."""
    parser = argparse.ArgumentParser(prog="predict.py", description="Predict with an exported model. NumPy is all that it needs.")
    parser.add_argument(
        "files", nargs="*", help="tables (CSV, JSON), arrays (.npy, IDX), pictures or folders of the form that the model was trained on"
    )
    parser.add_argument("--out", type=Path, help="write here instead of to standard output")
    asked = "what a language model writes on after, or where it fills the blanks ___ or [MASK]; what a translator translates; whose neighbours are told"
    parser.add_argument("--text", help=asked)
    parser.add_argument("--length", type=int, default=200, help="how many tokens it writes (default: 200)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0: the likeliest token each time; above: drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    scene_command.add_flags(parser)
    given = parser.parse_args(arguments)
    if bool(given.files) == (given.text is not None):
        parser.error("give files, or --text")
    try:
        text = as_csv(_predict(load(folder), given)) if given.text is None else _written(load(folder), given)
        if given.out is None:
            sys.stdout.write(text)
        else:
            _write(given.out, text)
    except PredictError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _written(model: Loaded, given: argparse.Namespace) -> str:
    """The text given and what the language model writes after it, or with its blanks filled, its translation, or the words nearest to it."""
    if isinstance(model, Translator):
        return str(model.predict([given.text])["prediction"][0]) + "\n"
    if isinstance(model, WordVectors):
        return as_csv([model.predict([given.text])])
    if isinstance(model, MaskFiller):
        return model.filled(given.text) + "\n"
    if isinstance(model, BlankFiller):
        return model.fill(given.text)[0] + "\n"
    if not isinstance(model, LanguageModel):
        raise PredictError("this model writes no text", where="--text", remedy="give files to predict for")
    return given.text + model.write(given.text, length=given.length, temperature=given.temperature, seed=given.seed) + "\n"


def _predict(model: Loaded, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Predictions of all files in order: pictures together, others one after the other with their file's name."""
    files: list[str] = given.files
    scene_command.refuse(given, model)
    if isinstance(model, (Segmenter, Detector)):
        return scene_command.predict(model, given)
    if len(files) == 1:
        return [model.predict(files[0])]
    if model.preprocessing["kind"] == "images" and all(Path(file).suffix.lower() in SUFFIXES for file in files):
        return [model.predict(files)]
    found = []
    for file in files:
        columns = model.predict(file)
        found.append({"file": [file] * len(next(iter(columns.values()))), **columns})
    return found


def as_csv(parts: list[dict[str, Any]]) -> str:
    """Tables of the same columns, one below the other."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(parts[0])
    for columns in parts:
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if value is None else str(value) for value in row])
    return out.getvalue()


def _write(path: Path, text: str) -> None:
    """Written beside and renamed, so that the file is there whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise PredictError(f"this cannot be written: {error.strerror}", where=str(path), remedy="give another --out") from None
    finally:
        beside.unlink(missing_ok=True)
