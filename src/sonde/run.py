"""A run folder: all that is needed to repeat, judge and use an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from sonde import detections, models, recipe, segments, tasks
from sonde.data.assemble import Dataset, assemble, every
from sonde.data.contents import Examples, Part
from sonde.data.documents import as_documents
from sonde.data.feed import Feed, feed
from sonde.data.new_data import open_new, require_columns
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.encode import encode_examples
from sonde.data.prepare.fit import load_preparation
from sonde.errors import RunError
from sonde.models.bert import BertNetwork
from sonde.nn.int8 import is_available, to_int8
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared
from sonde.nn.sequence import LanguageModel, network_of
from sonde.predictions import answer_rows, measured_answers, measured_outlines, measured_texts, names, objects_of, with_next
from sonde.run_folder import FORMAT, read_json
from sonde.training.allocator import keep_large_blocks
from sonde.training.checkpoints import Checkpoints, averaged, write_json
from sonde.training.evaluate import Evaluation, evaluate, evened, measure_predictions
from sonde.training.precision import working_dtype
from sonde.training.world import World, choose_device

PIXELS = 2**23  # numbers of pictures that are predicted at once: 27 of 320 × 320 in colour


@dataclass(frozen=True)
class PartData:
    """A part of the data as tensors, and the examples that they came from."""

    columns: Columns
    index: np.ndarray
    examples: Examples

    def batches(self, size: int, device: torch.device) -> Feed:
        """The part in example order."""
        return feed(self.columns, self.index, batch_size=size, device=device)


def normalisation(preparation: Any, chosen: recipe.Recipe) -> dict[str, Any]:
    """The numbers of the model's first step; with `data.normalise` off they change nothing (pictures still become 0 … 1)."""
    fitted: dict[str, Any] = preparation.normalisation
    if chosen.data.normalise or "mean" not in fitted:
        return fitted
    still: dict[str, Any] = (
        {"mean": [0.0] * len(fitted["mean"]), "std": [1.0] * len(fitted["std"])}
        if isinstance(fitted["mean"], list)
        else {"mean": 0.0, "std": 1.0}
    )
    return fitted | still | ({"log": [False] * len(fitted["log"]), "clip": None} if "log" in fitted else {})


def batch_of(network: nn.Module, columns: Columns) -> int:
    """Examples to predict at once: many for small networks, few where activations are large (large pictures; of text one for each piece it may hold)."""
    if isinstance(network_of(network), LanguageModel):
        return 128
    most = max(1, PIXELS // columns.inputs[0].shape[1:].numel()) if columns.inputs[0].ndim == 4 else 1024
    return min(most, 1024 if sum(parameter.numel() for parameter in network.parameters()) < 5_000_000 else 128)


def of_texts(task: tasks.Task, found: Evaluation, part: PartData, preparation: Any, target: dict[str, Any]) -> Evaluation:
    """The evaluation with measures of texts: of what was written, or of answers to questions."""
    if part.columns.windows is not None:
        return measured_answers(task, found, part.columns, part.examples, preparation, target)
    return measured_texts(task, found, part.examples, tuple(target["columns"]))


class Run:
    """A finished or stopped run. `model` is a plain torch module that takes raw inputs.

    `said` is what had to be told while it was opened, such as a damaged checkpoint that was passed over.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._dataset: Dataset | None = None
        self._parts: dict[str, PartData] = {}
        self.said: list[str] = []
        self.device = torch.device("cpu")
        keep_large_blocks()

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Open a run folder. Raises RunError where it is none."""
        run = cls(path)
        if not run.path.is_dir():
            raise RunError("there is no such run", where=str(path), remedy="`sonde runs` lists the runs there are")
        read_json(run.path / "model.json")
        return run

    def keep(self, dataset: Dataset, parts: dict[Part, PartData]) -> None:
        """Remember data that are at hand, so that they need not be read again."""
        self._dataset, self._parts = dataset, {str(name): part for name, part in parts.items()}

    @cached_property
    def recipe(self) -> recipe.Recipe:
        """The recipe with every value as it was used."""
        return recipe.read(self.path / "recipe.toml")

    @cached_property
    def description(self) -> dict[str, Any]:
        """model.json: kind of data, model, task and their fitted values."""
        return read_json(self.path / "model.json")

    @cached_property
    def folds(self) -> list[Run]:
        """The runs of a K-fold; none for an ordinary run."""
        folder = self.path / "folds"
        return [Run.load(path) for path in sorted(folder.iterdir(), key=lambda p: int(p.name))] if folder.is_dir() else []

    @property
    def metrics_file(self) -> dict[str, Any]:
        """metrics.json: the measures of every part and how they came about."""
        return read_json(self.path / "metrics.json")

    @property
    def metrics(self) -> dict[str, float]:
        """The measures of the test part, or of the validation part where there is none; of a K-fold the means."""
        found = self.metrics_file
        chosen: dict[str, float] = found.get("mean") or found.get("test") or found.get("validation") or found.get("train") or {}
        return chosen

    @cached_property
    def task(self) -> tasks.Task:
        """The task with its fitted target."""
        described = self.description["task"]
        return tasks.build(described["name"], described["options"], described["target"])

    @cached_property
    def _prepared(self) -> tuple[Any, Any]:
        if self.folds:
            return self.folds[0]._prepared
        found = load_preparation(self.path / "preprocessing")
        self._check_vocabulary(found[0])
        return found

    @property
    def preparation(self) -> Any:
        """The fitted preprocessing."""
        return self._prepared[0]

    @property
    def target(self) -> Any:
        """The fitted target."""
        return self._prepared[1]

    @cached_property
    def model(self) -> nn.Module:
        """Normalisation and network with the best weights (averaged ones where the run kept an average), ready to predict."""
        if self.folds:
            return self.folds[0].model
        described = self.description["model"]
        model = Prepared(normaliser(normalisation(self.preparation, self.recipe)), models.build(described["name"], described["config"]))
        model.to(dtype=working_dtype(self.recipe.training.precision or "float32"))
        checkpoint, self.said = Checkpoints(self.path).load("best")
        model.network.load_state_dict(averaged(checkpoint))
        return model.to(self.device).eval()

    def _check_vocabulary(self, preparation: Any) -> None:
        """RunError where the preprocessing is another run's, so that the numbers of its tokens mean something else here."""
        pieces, known = preparation.sizes.get("vocabulary"), self.description["model"]["config"].get("vocabulary")
        if pieces != known and pieces is not None and known is not None:
            what = f"the preprocessing has a vocabulary of {pieces:,} pieces, and the model one of {known:,}: it is another run's"
            raise RunError(what, where=str(self.path / "preprocessing"), remedy="put the run's own back, or train it again from its recipe.toml")

    def to(self, device: str | None) -> Run:
        """The run with its model on another device."""
        self.device = choose_device(device)
        for fold in self.folds:
            fold.to(device)
        self.model.to(self.device)
        return self

    def to_int8(self) -> Run:
        """The run with the dense layers of its model's blocks on whole numbers of 8 bits, for faster prediction on a CPU.

        For the BERT family. Raises RunError for other models, and where this machine or device cannot. There is no way back but to load again.
        """
        network = self.model.network
        if not isinstance(network, BertNetwork):
            what = f"only models of the BERT family are computed in int8, and this is {self.description['model']['name']}"
            raise RunError(what, where=str(self.path), remedy="leave --int8 out")
        if self.device.type != "cpu" or not is_available():
            where = self.device.type if self.device.type != "cpu" else "this build of PyTorch"
            raise RunError(f"there is no int8 on {where}", where="--int8", remedy="predict with --device cpu on an x86 processor, or leave --int8 out")
        for run in self.folds or [self]:
            model: Any = run.model.float()
            to_int8(model.network.bert.encoder)
        return self

    def part(self, name: str) -> tuple[Columns, np.ndarray, Examples]:
        """A part of the data that the run was trained with: tensors of all rows of its file, the part's rows, the examples."""
        if name not in self._parts:
            dataset = self._dataset or assemble(self.recipe)
            self._dataset = dataset
            if name not in dataset.parts:
                raise RunError(f"this run has no {name} part", where=str(self.path), remedy="it has " + ", ".join(dataset.parts))
            chosen = dataset.parts[name]
            self._parts[name] = self.encode(chosen.examples, chosen.index)
        found = self._parts[name]
        return found.columns, found.index, found.examples

    @property
    def _names_pixels(self) -> bool:
        return bool(self.target.values["kind"] == "mask")

    @property
    def _finds_objects(self) -> bool:
        return bool(self.target.values["kind"] == "boxes")

    def encode(self, examples: Examples, index: np.ndarray | None = None, *, targets: bool = True) -> PartData:
        """Examples as this run's model wants them; without `targets`, or where their columns are missing, inputs alone."""
        known = targets and all(column in examples.frame.columns for column in self.target.columns)
        encoded = encode_examples(self.preparation, self.target if known else None, examples)
        return PartData(encoded.columns, encoded.numbers(every(examples) if index is None else index), examples)

    def predict_tensor(self, examples: Examples, index: np.ndarray | None = None) -> tuple[Tensor, np.ndarray]:
        """Predictions for examples, and which of them could be predicted. Folds are averaged, the boxes of detectors fused."""
        if self.folds:
            results = [fold.predict_tensor(examples, index) for fold in self.folds]
            pieces, which = [prediction for prediction, _ in results], results[0][1]
            if self._finds_objects:
                seen = examples.take(which)
                return detections.fused(pieces, [detections.scales(fold.preparation, seen) for fold in self.folds]), which
            return torch.stack(evened(pieces)).mean(0), which
        part = self.encode(examples, index, targets=False)
        found = self.measure(part, targets=False)
        assert found.predictions is not None and found.index is not None
        return found.predictions, found.index.cpu().numpy()

    def measure(self, part: PartData, *, targets: bool = True) -> Evaluation:
        """Predictions and, where targets are known, measures of a part."""
        batches = part.batches(batch_of(self.model, part.columns), self.device)
        found = evaluate(self.model, self.task, batches, World(device=self.device), final=True)
        if part.columns.targets is None:
            return found
        found = of_texts(self.task, found, part, self.preparation, self.target.values)
        return measured_outlines(found, part.examples, self.preparation, self.target.values)

    def predict(self, source: Any) -> pl.DataFrame:
        """Predictions for a path, a frame, arrays or a list of picture files, a row an example in the order given.

        Columns: `name` (the id column's value, the picture's name, the date or the row number), `prediction`, and what
        the task adds, such as `probability:<class>`, or `share:<class>` of the picture where each pixel has a class. A series is also
        forecast beyond its end. Of a detector there is a row an object, the surest of a picture first: `image`, `label`, `score`, `left`,
        `top`, `right`, `bottom` in pixels of the picture, and `outline` where it finds masks; a picture without objects has one row, empty but for its name.
        """
        content = open_new(source, self.recipe.data, self.description["kind"])
        examples = content.examples
        if self._finds_objects:
            return self.objects(examples).drop("picture")
        if self.description["task"]["name"] == "forecasting":
            purpose = "to forecast from: a series is predicted from its own past"
            require_columns(content, examples, self.target.columns, purpose=purpose, remedy="give data with this column")
            examples = with_next(examples, content.time, self.target.columns[0], self.target.outputs)
        if self.description["kind"] == "questions":
            return self.answers(examples)
        if self._names_pixels:
            return segments.table(self.planes(examples), tuple(self.target.values["classes"]))
        prediction, index = self.predict_tensor(examples)
        chosen = examples if len(index) == len(examples) else examples.take(index)
        return pl.DataFrame({"name": names(chosen, self.recipe.data.id or content.time, index), **self.task.table(prediction)})

    def answers(self, examples: Examples) -> pl.DataFrame:
        """Answers to questions: `name` (the question's id), `question`, `prediction` (empty for none), `start` in characters, `score`."""
        predictions, index = self.predict_tensor(examples)
        part = self.encode(examples, targets=False)
        rows = answer_rows(predictions.cpu(), torch.from_numpy(index), part.columns, examples, self.preparation, self.target.values)
        return rows.drop("example")

    def planes(self, examples: Examples, looking: segments.Looking | None = None) -> Iterator[segments.Segments]:
        """The class of each pixel of the pictures, in their own pixels. Folds are averaged."""
        runs = self.folds or [self]
        return segments.segments(
            [run.model for run in runs], [run.preparation for run in runs], examples, device=self.device, looking=looking
        )

    def opened(self, source: Any) -> Examples:
        """New examples of the kind that the run learned from: a path, a frame, arrays, a list of picture files."""
        return open_new(source, self.recipe.data, self.description["kind"]).examples

    def objects(self, examples: Examples) -> pl.DataFrame:
        """Of a detector the objects in pictures, as `sonde.detections.rows` has them. DataError that lists all pictures that cannot be read."""
        prediction, index = self.predict_tensor(examples)
        rows = objects_of(prediction, examples.take(index), self.preparation, self.target.values)
        return rows.with_columns(pl.Series("picture", index[rows["picture"].to_numpy()]))

    def evaluate(self, source: Any = None, *, part: str = "test") -> dict[str, Any]:
        """Measures on new data, or on one of the run's own parts; every look at the test part is counted in looks.json."""
        if source is None and self.folds:
            return self._evaluate_folds(part)
        if source is None:
            columns, index, examples = self.part(part)
            if part == "test":
                self.look()
            data, notes = PartData(columns, index, examples), self._changed()
        else:
            data, notes = self.labelled(source)
        measured = self.measured(data)
        said = [message for run in self.folds or [self] for message in run.said]
        return {"metrics": measured, "examples": len(data.index), "notes": notes + said}

    def rounded(self, source: Any = None, *, part: str = "test") -> dict[str, Any]:
        """What `to_int8` costs: `float32` and `int8`, measures of each on new data or a part, `difference`, the largest of two outputs, `examples`.

        The run predicts in int8 from then on. A look at the test part counts as one.
        """
        if source is None:
            data = PartData(*self.part(part))
            if part == "test":
                self.look()
        else:
            data, _ = self.labelled(source)
        exact = self.measured(data), self.predict_tensor(data.examples, data.index)[0]
        self.to_int8()
        rounded = self.measured(data), self.predict_tensor(data.examples, data.index)[0]
        difference = float((exact[1] - rounded[1]).abs().nan_to_num().max())
        return {"float32": exact[0], "int8": rounded[0], "difference": difference, "examples": len(data.index)}

    def labelled(self, source: Any) -> tuple[PartData, list[str]]:
        """New data with their targets, and what must be said of them. Raises DataError where there are none."""
        content = open_new(source, self.recipe.data, self.description["kind"])
        if self.description["task"]["name"] == "masked-language-modelling":
            content = as_documents(content, self.recipe.task.options)
        chosen = content.parts.get("test") or content.examples
        remedy = "give data with the target, or use `sonde predict`"
        require_columns(content, chosen, self.target.columns, purpose="to compare predictions with", remedy=remedy)
        same = content.fingerprint == self.description.get("fingerprint")
        return self.encode(chosen), [] if same else ["these are not the data that the run was trained with (their fingerprint differs)"]

    def _evaluate_folds(self, part: str) -> dict[str, Any]:
        """A K-fold on its own data: each fold is measured on what it held out, never on what it learned from."""
        if part != "test":
            raise RunError(
                f"a K-fold has no {part} part of its own", where=str(self.path), remedy=f"evaluate one fold: {self.folds[0].path}"
            )
        measured, examples = self.out_of_fold()
        self.look()
        notes = ["each example was predicted by the fold that had not seen it", *self.folds[0]._changed()]
        return {"metrics": measured, "examples": examples, "notes": notes + [message for fold in self.folds for message in fold.said]}

    def out_of_fold(self) -> tuple[dict[str, float], int]:
        """Measures over all examples of a K-fold, each predicted by the fold that had not seen it; how many there are.

        Classes of pixels are measured at the pictures' own size.
        """
        if self._names_pixels:
            parts = [PartData(*fold.part("test")) for fold in self.folds]
            tables = [fold._pixels(part) for fold, part in zip(self.folds, parts, strict=True)]
            return segments.measures(torch.stack(tables).sum(0), tuple(self.target.values["classes"])), sum(len(part.index) for part in parts)
        predictions, targets, inputs, order = [], [], [], []
        for fold in self.folds:
            held = PartData(*fold.part("test"))
            found = fold.measure(held)
            assert found.predictions is not None and found.index is not None and held.columns.targets is not None
            rows = found.index.cpu()
            predictions.append(found.predictions.cpu())
            targets.append(held.columns.targets[rows])
            # Folds may have canvases of different shapes; what finds objects is measured by these alone.
            inputs.append(rows if self._finds_objects else held.columns.inputs[0][rows])
            order.append(rows)
        place = torch.cat(order).argsort()
        whole, known, given = (torch.cat(evened(pieces))[place] for pieces in (predictions, targets, inputs))
        return measure_predictions(self.task, whole, known, (given,)), len(place)

    def measured(self, data: PartData) -> dict[str, float]:
        """Measures of data whose targets are known; of a K-fold those of the folds' mean prediction."""
        if not self.folds:
            return self.measure(data).metrics
        if self._names_pixels:
            return segments.measures(self._pixels(data), tuple(self.target.values["classes"]))
        prediction, index = self.predict_tensor(data.examples, data.index)
        rows = torch.from_numpy(index)
        assert data.columns.targets is not None
        measured = measure_predictions(self.task, prediction, data.columns.targets[rows], (data.columns.inputs[0][rows],))
        return measured_outlines(Evaluation(measured, prediction, rows), data.examples, self.preparation, self.target.values).metrics

    def _pixels(self, data: PartData) -> Tensor:
        """Pixels of each true class (row) by their answer, int64 (class, class), at the pictures' own size."""
        chosen = data.examples.take(data.index)
        assert chosen.masks is not None
        return torch.stack(list(segments.counts(self.planes(chosen), chosen.masks, len(self.target.values["classes"])))).sum(0)

    def look(self) -> int:
        """Count one more look at the test part; how many there have been."""
        path = self.path / "looks.json"
        looks = int(read_json(path)["test"]) + 1 if path.exists() else 1
        write_json(path, {"format": FORMAT, "test": looks})
        return looks

    def _changed(self) -> list[str]:
        then, now = self.description.get("fingerprint"), self._dataset.content.fingerprint if self._dataset else None
        return ["the data have changed since the run was trained (their fingerprint differs)"] if now is not None and then != now else []

    def __repr__(self) -> str:
        numbers = (
            ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
            if (self.path / "metrics.json").exists()
            else "not finished"
        )
        return f"Run({str(self.path)!r}: {self.description['model']['name']}, {numbers})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the measures and the way to the report."""
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td style='text-align:right'>{value:.4g}</td></tr>" for name, value in self.metrics.items()
        )
        report = self.path / "report.html"
        link = f"<p><a href='{escape(str(report))}'>report</a></p>" if report.exists() else ""
        return f"<b>{escape(self.description['model']['name'])}</b> <code>{escape(str(self.path))}</code><table>{rows}</table>{link}"
