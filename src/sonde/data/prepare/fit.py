"""The fitted preprocessing: made from the training part, kept in the run folder, read back from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sonde import recipe
from sonde.data.contents import SCENES, Content, Examples
from sonde.data.prepare.bert import BertPreparation, fit_bert
from sonde.data.prepare.images import ImagePreparation, fit_images
from sonde.data.prepare.masked import Masking
from sonde.data.prepare.options import positive
from sonde.data.prepare.pairs import fit_source
from sonde.data.prepare.questions import fit_questions
from sonde.data.prepare.scenes import ScenePreparation, fit_scenes
from sonde.data.prepare.series import SeriesPreparation, fit_series
from sonde.data.prepare.table import TablePreparation, fit_table
from sonde.data.prepare.target import Target
from sonde.data.prepare.text import WINDOW, TextPreparation, fit_text
from sonde.data.prepare.tokenizers.bert import BertPieces
from sonde.data.prepare.word_vectors import fit_words
from sonde.data.split import Selection
from sonde.errors import RecipeError, RunError

FORMAT = 1
FILE = "preparation.json"
# Tasks that read or write running text, or words.
WRITTEN = ("language-modelling", "word-vectors", "translation")


class Preparation(Protocol):
    """What turns examples into a model's raw inputs: TablePreparation, ImagePreparation or SeriesPreparation."""

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes that the model is built for."""
        ...

    @property
    def normalisation(self) -> dict[str, Any]:
        """The numbers of the model's first step."""
        ...

    def encode(self, examples: Examples, index: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Raw model inputs of some rows."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        ...


Fitted = TablePreparation | ImagePreparation | ScenePreparation | SeriesPreparation | TextPreparation | BertPreparation
_KINDS: dict[str, type[Fitted]] = {
    "table": TablePreparation,
    "images": ImagePreparation,
    "scenes": ScenePreparation,
    "series": SeriesPreparation,
    "text": TextPreparation,
    "bert": BertPreparation,
}


def fit_preparation(
    content: Content,
    train: Selection,
    data: recipe.Data,
    *,
    task: str,
    targets: tuple[str, ...],
    options: dict[str, Any] | None = None,
    pieces: BertPieces | None = None,
) -> Fitted:
    """The preparation of `content`, from its training part alone. `options` are the task's (`window` and `horizon`).

    `pieces`: the vocabulary that comes with published weights of the BERT family.

    Raises DataError where there is nothing to learn from.
    """
    if content.kind == "images":
        return fit_images(train, data)
    if content.kind in SCENES:
        return fit_scenes(train, data)
    if data.tokenizer == "bert" and task in WRITTEN:
        remedy = "use --tokenizer wordpiece or bpe; `bert` is for models that read whole texts"
        raise RecipeError(f"the tokeniser bert puts specials round each text, and {task} has none", where="--tokenizer", remedy=remedy)
    if content.kind == "questions":
        return fit_questions(train, data, options or {}, pieces=pieces)
    if task == "masked-language-modelling":
        return fit_bert(train, data, columns=("text",), pieces=pieces, masking=Masking.of_options(options or {}))
    if content.kind == "text" and task == "word-vectors":
        return fit_words(train, data, options or {}, column="text")
    if content.kind == "text" and data.tokenizer == "bert":
        return fit_bert(train, data, columns=("text", "second") if "second" in train.examples.frame.columns else ("text",), pieces=pieces)
    if content.kind == "text" and "second" in train.examples.frame.columns:
        remedy = "use one of these, such as --model bert-mini, or name one column of text"
        raise RecipeError("two texts are read together by models of the BERT family alone", where="--text", remedy=remedy)
    if content.kind == "text":
        steps = positive(options or {}, "steps", default=WINDOW) if task == "language-modelling" else 0
        return fit_text(train, data, column="text", window=steps)
    if content.kind == "tagged" and data.tokenizer == "bert":
        return fit_bert(train, data, columns=("tokens",), pieces=pieces)
    if content.kind == "tagged":
        return fit_text(train, data, column="tokens", window=0)
    if content.kind == "pairs":
        return fit_source(train, data, options or {})
    if task == "forecasting":
        return fit_series(train, targets, options or {})
    return fit_table(train, data, targets)


def save_preparation(preparation: Fitted, target: Target, folder: Path) -> None:
    """Write both to `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {"format": FORMAT, "preparation": preparation.to_json(), "target": {"values": target.values, "why": target.why}}
    (folder / FILE).write_text(json.dumps(table, ensure_ascii=False, indent=1), encoding="utf-8")


def load_preparation(folder: Path) -> tuple[Fitted, Target]:
    """What `save_preparation` wrote. Raises RunError where it is missing, damaged or of a newer format."""
    path = folder / FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] > FORMAT:
            what = f"this preprocessing is of format {table['format']}; this Sonde reads up to {FORMAT}"
            raise RunError(what, where=str(path), remedy="install a newer Sonde")
        stored = table["preparation"]
        return _KINDS[stored["kind"]].from_json(stored), Target(table["target"]["values"], table["target"]["why"])
    except FileNotFoundError:
        raise RunError("the preprocessing is missing", where=str(path), remedy="train the run again from its recipe.toml") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"the preprocessing is damaged ({error!r})", where=str(path), remedy="train the run again from its recipe.toml") from None
