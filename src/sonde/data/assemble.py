"""From a recipe to the examples of each part: open, infer, split. The same call gives the same parts again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sonde.data.contents import Content, Examples, Part
from sonde.data.documents import as_documents
from sonde.data.infer import Inferred, infer
from sonde.data.open import open_data
from sonde.data.readers.table_parts import with_part
from sonde.data.readers.two_columns import as_pairs
from sonde.data.split import Selection, folds, split
from sonde.errors import DataError, Problem
from sonde.recipe import Recipe


@dataclass(frozen=True)
class Dataset:
    """What was found, what is to be learnt from it, and which examples each part has."""

    content: Content
    inferred: Inferred
    parts: dict[Part, Selection]


def assemble(recipe: Recipe, source: Any = None) -> Dataset:
    """The data set of a recipe. `source` is used instead of the recipe's path (frames and arrays have none).

    A `validation` or `test` that is a path is opened and stands for that part. With `data.fold` the parts are those of
    that fold of `data.folds`: the held-out examples are the test part. Raises DataError as `open_data` and `split` do.
    """
    data, seed = recipe.data, recipe.training.seed
    content = open_data(recipe.data.path if source is None else source, data)
    if data.shortest is not None:
        content = _shortest(content, data.shortest)
    given: list[tuple[Part, str]] = [(part, path) for part in ("validation", "test") if isinstance(path := getattr(data, part), str)]
    data = data.model_copy(update={part: None for part, _ in given})
    for part, path in given:
        content = with_part(content, part, open_data(path, data), data)
    if recipe.task.name == "translation":
        content = as_pairs(content, data)
    inferred = infer(content, data, recipe.task.name)
    if inferred.task == "masked-language-modelling":
        content = as_documents(content, recipe.task.options)
    if data.fold is None:
        return Dataset(content, inferred, split(content, data, task=inferred.task, targets=inferred.targets, seed=seed))
    whole = content.examples
    selection = Selection(whole, every(whole))
    pairs = folds(selection, data, task=inferred.task, targets=inferred.targets, k=data.folds, seed=seed)
    if not 1 <= data.fold <= len(pairs):
        raise DataError(
            Problem("error", "data.fold", f"there is no fold {data.fold} of {len(pairs)}", f"give a number from 1 to {len(pairs)}")
        )
    kept, held_out = pairs[data.fold - 1]
    rest = Selection(whole, selection.index[kept])
    parts: dict[Part, Selection] = {"train": rest}
    if data.validation:
        inner = replace(content, parts={"all": whole.take(rest.index)})
        drawn = split(inner, data.model_copy(update={"test": 0.0}), task=inferred.task, targets=inferred.targets, seed=seed)
        parts = {name: Selection(whole, rest.index[chosen.index]) for name, chosen in drawn.items()}
    parts["test"] = Selection(whole, selection.index[held_out])
    return Dataset(content, inferred, parts)


def _shortest(content: Content, count: int) -> Content:
    """The `count` examples with the fewest characters of the data, or of the training part where they name their parts, in their order."""
    column = {"text": "text", "pairs": "source"}.get(content.kind)
    if column is None:
        found = f"data.shortest chooses among sentences, and this is of kind {content.kind}"
        raise DataError(Problem("error", content.origin, found, "leave it out, or use --examples for some of them at random"))
    part: Part = "all" if "all" in content.parts else "train"
    examples = content.parts[part]
    order = np.argsort(examples.frame[column].str.len_chars().to_numpy(), kind="stable")[:count]
    return replace(content, parts=content.parts | {part: examples.take(np.sort(order))})


def every(examples: Examples) -> np.ndarray:
    """The numbers of all examples."""
    return np.arange(len(examples))
