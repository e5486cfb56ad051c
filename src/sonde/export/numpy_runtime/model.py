"""An exported model: data in, a table of predictions out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import bert, pictures, scenes, series, tables, tagged, text
from .blanks import BlankFiller
from .detector import Detector
from .graph import Graph, read_json, read_safetensors
from .language_model import LanguageModel
from .masks import MaskFiller
from .problem import PredictError
from .questions import Answerer
from .segmenter import Segmenter
from .translator import Translator
from .word_vectors import WordVectors

# kind of preprocessing → encode(source, preprocessing) -> (names, inputs). A kind that is not here cannot be exported.
PREPROCESSING: dict[str, Callable[[Any, dict[str, Any]], tuple[list[str], tuple[np.ndarray, ...]]]] = {
    "table": tables.encode,
    "images": pictures.encode,
    "scenes": scenes.encode,
    "series": series.encode,
    "text": text.encode,
    "tagged": tagged.encode,
    "bert": bert.encode,
}
SHOWN = 100  # with more classes a table has the probability of the predicted class alone
AT_ONCE = 2**20  # numbers that go into the graph at a time, about


class Model:
    """What `load` gives. `preprocessing` is preprocessing.json as a table."""

    def __init__(self, graph: Graph, preprocessing: dict[str, Any]) -> None:
        if preprocessing["kind"] not in PREPROCESSING:
            known = ", ".join(PREPROCESSING)
            found = f"there is no preprocessing of kind {preprocessing['kind']!r} here: known are {known}"
            raise PredictError(found, where="preprocessing.json", remedy="export the run again")
        self.graph, self.preprocessing = graph, preprocessing

    def predict(self, source: Any) -> dict[str, Any]:
        """Columns by name, as `sonde predict` has them: `name`, `prediction` and what belongs to it.

        `source`: the path of a table, picture or folder; an array; for tables also a list of dictionaries or a dictionary of columns.
        """
        names, inputs = self.encode(source)
        return {"name": names, **self.answer(self.outputs(*inputs))}

    def encode(self, source: Any) -> tuple[list[str], tuple[np.ndarray, ...]]:
        """The names of the examples and the graph's raw inputs."""
        return PREPROCESSING[self.preprocessing["kind"]](source, self.preprocessing)

    def outputs(self, *inputs: np.ndarray) -> np.ndarray:
        """What the network gives for raw inputs: logits, or values in the units of the data (row, output)."""
        if self.preprocessing["kind"] == "bert":
            return bert.in_batches(self.graph, inputs)
        rows = len(inputs[0])
        if not rows:  # the shape of the answer is that of one row
            return self.graph.run(*(np.zeros((1, *each.shape[1:]), dtype=each.dtype) for each in inputs))[0][:0]
        some = max(1, AT_ONCE // max(1, math.prod(inputs[0].shape[1:])))
        return np.concatenate([self.graph.run(*(each[start : start + some] for each in inputs))[0] for start in range(0, rows, some)])

    def answer(self, outputs: np.ndarray) -> dict[str, Any]:
        """Outputs as the columns that a person reads."""
        answer = self.preprocessing["answer"]
        if answer["kind"] == "numbers":
            return {name: outputs[:, place] for place, name in enumerate(answer["columns"])}
        if answer["kind"] == "tags":  # −∞ stands after a sentence's end
            lengths, tags = np.isfinite(outputs[:, :, 0]).sum(axis=1), outputs.argmax(axis=2)
            told = [" ".join([answer["classes"][tag] for tag in row[:count]]) for row, count in zip(tags, lengths, strict=True)]
            return {"prediction": told}
        outputs = outputs.astype(np.float64)
        if answer["kind"] == "labels":
            probabilities = np.exp(-np.logaddexp(0, -outputs))
            answers = {f"prediction:{name}": (probabilities[:, place] > 0.5).astype(np.int8) for place, name in enumerate(answer["labels"])}
            return answers | {f"probability:{name}": probabilities[:, place] for place, name in enumerate(answer["labels"])}
        classes, chosen = answer["classes"], outputs.argmax(axis=1)
        if answer["criterion"] == "squared":  # the output estimates the probability itself, but may leave 0 … 1
            kept = outputs.clip(1e-12, 1)
        else:
            kept = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        probabilities = kept / kept.sum(axis=1, keepdims=True)
        prediction = {"prediction": [classes[place] for place in chosen]}
        if len(classes) > SHOWN:
            return prediction | {"probability": probabilities[np.arange(len(chosen)), chosen]}
        return prediction | {f"probability:{name}": probabilities[:, place] for place, name in enumerate(classes)}


class Folds:
    """The models of a K-fold, each with a preprocessing of its own; their outputs are averaged."""

    def __init__(self, models: list[Model]) -> None:
        self.models, self.preprocessing = models, models[0].preprocessing

    def predict(self, source: Any) -> dict[str, Any]:
        """As Model.predict."""
        encoded = [model.encode(source) for model in self.models]
        outputs = np.mean([model.outputs(*inputs) for model, (_, inputs) in zip(self.models, encoded, strict=True)], axis=0)
        return {"name": encoded[0][0], **self.models[0].answer(outputs)}


Loaded = Model | Folds | Segmenter | Detector | LanguageModel | BlankFiller | Translator | Answerer | WordVectors | MaskFiller
# kind of answer → what predicts it with the models of a run, for answers that are no row of columns an example
OF_PLACES: dict[str, Callable[[list[Model]], Segmenter | Detector]] = {"pixels": Segmenter, "objects": Detector}


def load(folder: str | Path) -> Loaded:
    """The model in an exported folder."""
    folder = Path(folder)
    if (folder / "folds").is_dir():
        folds = sorted((folder / "folds").iterdir(), key=lambda fold: int(fold.name))
        models = [Model(Graph.load(fold), read_json(fold / "preprocessing.json")) for fold in folds]
        return OF_PLACES.get(models[0].preprocessing["answer"]["kind"], Folds)(models)
    preprocessing = read_json(folder / "preprocessing.json")
    if preprocessing["answer"]["kind"] == "neighbours":
        return WordVectors(read_safetensors(folder / "weights.safetensors")["vectors"], preprocessing)
    if preprocessing["answer"]["kind"] == "masks":
        return MaskFiller(Graph.load(folder), preprocessing)
    if preprocessing["answer"]["kind"] == "translation":
        return Translator(Graph.load(folder / "encoder"), Graph.load(folder / "decoder"), preprocessing)
    if preprocessing["answer"]["kind"] == "blanks":
        forwards, backwards, output = (Graph.load(folder / part) for part in ("forwards", "backwards", "output"))
        return BlankFiller(forwards, backwards, output, preprocessing)
    if preprocessing["answer"]["kind"] == "answers":
        return Answerer(Graph.load(folder), preprocessing)
    if preprocessing["answer"]["kind"] in OF_PLACES:
        return OF_PLACES[preprocessing["answer"]["kind"]]([Model(Graph.load(folder), preprocessing)])
    return (LanguageModel if preprocessing["kind"] == "running-text" else Model)(Graph.load(folder), preprocessing)
