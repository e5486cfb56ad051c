"""Predictions as a person reads them: rows with the example's name, the answer and, where it is known, what was right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sonde import detections, tasks
from sonde.data.contents import Examples
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.questions import answers
from sonde.metrics.detection import BOX
from sonde.metrics.texts import TextMetric
from sonde.tasks.example_losses import example_losses
from sonde.training.evaluate import Evaluation


def measured_texts(task: tasks.Task, found: Evaluation, examples: Examples, columns: tuple[str, ...]) -> Evaluation:
    """The evaluation with measures of texts: what was written against what the data have in their target column."""
    measures = {name: metric for name, metric in task.metrics(final=True).items() if isinstance(metric, TextMetric)}
    if not measures or found.predictions is None or found.index is None:
        return found
    right = examples.frame[columns[0]].gather(found.index.cpu().numpy()).fill_null("").to_list()
    written = [str(text) for text in task.table(found.predictions)["prediction"]]
    return replace(found, metrics=found.metrics | {name: metric.of_texts(written, right) for name, metric in measures.items()})


def measured_answers(task: tasks.Task, found: Evaluation, columns: Columns, examples: Examples, preparation: Any, target: dict[str, Any]) -> Evaluation:
    """The evaluation with measures of answers to questions, which are put together from their windows; others as they are."""
    if columns.windows is None or found.predictions is None or found.index is None:
        return found
    questions, made = answers(preparation, examples, columns.windows, found.index.cpu(), found.predictions, none=target["none"])
    right = examples.frame[target["columns"][0]].gather(questions).to_list()
    measures = {name: metric for name, metric in task.metrics(final=True).items() if isinstance(metric, TextMetric)}
    told = found.metrics | {name: metric.of_texts(made.texts, right) for name, metric in measures.items()}
    return replace(found, metrics={name: told[name] for name in task.metrics(final=True) if name in told})


def answer_rows(predictions: Tensor, index: Tensor, columns: Columns, examples: Examples, preparation: Any, target: dict[str, Any]) -> pl.DataFrame:
    """A row a question: its row among the examples, its id, itself, the answer, where it begins (null for none) and how sure it is."""
    assert columns.windows is not None
    questions, made = answers(preparation, examples, columns.windows, index, predictions, none=target["none"])
    few = examples.frame.select("id", "question").gather(questions)
    return pl.DataFrame(
        {
            "example": questions,
            "name": few["id"],
            "question": few["question"],
            "prediction": made.texts,
            "start": pl.Series([None if start < 0 else start for start in made.starts], dtype=pl.Int64),
            "score": made.scores,
        }
    )


def objects_of(predictions: Tensor, examples: Examples, preparation: Any, target: dict[str, Any]) -> pl.DataFrame:
    """The rows of a detector's predictions for `examples`, as `sonde.detections.rows` has them; `target` are the fitted target's values."""
    own = detections.in_original(predictions, detections.scales(preparation, examples), examples)
    return detections.rows(own, examples, names(examples, None, np.arange(len(examples))), target["classes"])


def measured_outlines(found: Evaluation, examples: Examples, preparation: Any, target: dict[str, Any]) -> Evaluation:
    """The evaluation with measures of masks: outlines in the pixels of the pictures against those that the data have."""
    if target["kind"] != "boxes" or found.predictions is None or found.index is None or found.predictions.shape[-1] == BOX:
        return found
    few = examples.take(found.index.cpu().numpy())
    rows = objects_of(found.predictions, few, preparation, target)
    return replace(found, metrics=found.metrics | detections.measured_masks(rows, few, target["classes"]))


def names(examples: Examples, id_column: str | None, index: np.ndarray) -> list[str]:
    """What to call the examples, which are the rows `index` of their file: by id, by picture, or by row number."""
    if id_column is not None and id_column in examples.frame.columns:
        return [str(value) for value in examples.frame[id_column].to_list()]
    if examples.pictures is not None:
        return [examples.pictures.name(row) for row in range(len(examples))]
    return [str(row) for row in index]


def with_next(examples: Examples, time: str | None, target: str, horizon: int) -> Examples:
    """A series and, after its end, a row for each of the next `horizon` moments: what is still to be seen.

    The next moments follow at the distance that occurs most often.
    """
    frame = examples.frame
    more = pl.DataFrame({target: pl.Series([None] * horizon, dtype=frame[target].dtype)})
    if time is not None and frame.height > 1:
        step, last = frame[time].diff().drop_nulls().mode().sort()[0], frame[time][-1]
        more = more.with_columns(pl.Series(time, [last + step * (ahead + 1) for ahead in range(horizon)], dtype=frame[time].dtype))
    return Examples(pl.concat([frame, more], how="diagonal"))


def prediction_rows(
    task: tasks.Task,
    part: str,
    examples: Examples,
    targets: Tensor | None,
    found: Evaluation,
    *,
    id_column: str | None,
    target: dict[str, Any],
    preparation: Any,
) -> pl.DataFrame:
    """The rows of predictions.parquet for one part: one an example, of a detector one an object (and one for a picture without any).

    `targets` are those of all rows of its file, `target` the fitted target's values.
    """
    assert found.predictions is not None and found.index is not None
    index = found.index.cpu().numpy()
    few = examples.take(index)
    table: dict[str, Any] = {"part": [part] * len(index), "example": index, "name": names(few, id_column, index)}
    if target["kind"] == "boxes":
        rows = objects_of(found.predictions, few, preparation, target)
        of = pl.DataFrame({"picture": np.arange(len(index)), "part": table["part"], "example": index, "name": table["name"]})
        return of.join(rows.drop("image"), on="picture", how="left", maintain_order="left_right").drop("picture")
    known = None if targets is None else targets[torch.from_numpy(index)]
    if target["kind"] == "tokens":  # texts are compared as texts
        table |= {column: few.frame[column] for column in ("source", *target["columns"]) if column in few.frame.columns}
    elif known is not None:
        table["target"] = _readable(known, target.get("classes"))
        table["loss"] = example_losses(found.predictions.cpu(), known, target=target).numpy()
    return pl.DataFrame(table | task.table(found.predictions))


def _readable(targets: Tensor, classes: Sequence[Any] | None) -> Any:
    if not targets.is_floating_point() and targets.ndim == 2 and classes is not None:
        return [" ".join([str(classes[number]) for number in row if number >= 0]) for row in targets.tolist()]
    if not targets.is_floating_point() and classes is not None:
        return [str(classes[number]) for number in targets.tolist()]
    return targets.squeeze(-1).numpy() if targets.ndim == 1 or targets.shape[1] == 1 else targets.numpy().tolist()
