"""Texts as vectors, from a run of the BERT family (Reimers and Gurevych 2019, "Sentence-BERT", section 3).

    mean   the average of what the last block gives for the tokens of a text, [CLS] and [SEP] among them
    cls    what it gives for [CLS]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sonde.data.contents import Examples
from sonde.data.new_data import open_new
from sonde.errors import RunError, UsageError
from sonde.models.bert import BertNetwork
from sonde.ops.attention import length_mask
from sonde.ops.nearest import nearest
from sonde.run import Run, batch_of

Pooling = Literal["mean", "cls"]


def embed(run: Run, source: Any, *, pooling: Pooling = "mean", normalise: bool = True) -> tuple[Examples, Float[np.ndarray, "text width"]]:
    """The texts of `source` (what `Run.predict` takes) and a vector of each, float32, of length 1 with `normalise`.

    Raises RunError where the run's model is no BERT.
    """
    network = run.model.network
    if not isinstance(network, BertNetwork):
        name = run.description["model"]["name"]
        remedy = "train one of the BERT family; --epochs 0 --weights FOLDER takes published weights as they are"
        raise RunError(f"{name} gives no vectors of texts", where=str(run.path), remedy=remedy)
    examples = open_new(source, run.recipe.data, run.description["kind"]).examples
    return examples, vectors(run, network, examples, pooling=pooling, normalise=normalise)


@torch.no_grad()
def vectors(
    run: Run, network: BertNetwork, examples: Examples, *, pooling: Pooling, normalise: bool
) -> Float[np.ndarray, "text width"]:
    """A vector of each example, in their order."""
    part = run.encode(examples, targets=False)
    found = torch.zeros(len(examples), run.description["model"]["config"]["width"])
    for (batch,) in part.batches(batch_of(run.model, part.columns), run.device).epoch(0):
        tokens, lengths = batch.inputs[:2]
        x = network.bert(tokens, lengths)
        pooled = _mean(x, lengths) if pooling == "mean" else x[:, 0]
        found[batch.index.cpu()] = (F.normalize(pooled, dim=1) if normalise else pooled).float().cpu()
    return found.numpy()


def _mean(x: Tensor, lengths: Tensor) -> Tensor:
    real = length_mask(lengths, x.shape[1])[:, :, None]
    return (x * real).sum(1) / lengths[:, None]


def neighbours(found: Float[np.ndarray, "text width"], *, count: int, among: Path | None = None) -> list[tuple[int, float, int]]:
    """(row, cosine, other) of the `count` nearest of each row, the nearest first: other rows, or vectors of the file `among`.

    Raises UsageError for a file that holds none, or others.
    """
    others = found if among is None else read(among)
    if others.shape[1] != found.shape[1]:
        what = f"its vectors have {others.shape[1]} numbers, and those of this run {found.shape[1]}"
        raise UsageError(what, where=str(among), remedy="give vectors that this run made")
    cosines, numbers = nearest(torch.from_numpy(found), torch.from_numpy(others), count=count, itself=among is None)
    pairs = zip(cosines.tolist(), numbers.tolist(), strict=True)
    return [(row, cosine, other) for row, (values, places) in enumerate(pairs) for cosine, other in zip(values, places, strict=True)]


def save(path: Path, texts: Examples, found: Float[np.ndarray, "text width"]) -> None:
    """To `.npy` the vectors alone; to `.parquet` a column `vector` beside those of the data. Raises UsageError for another ending."""
    if path.suffix == ".npy":
        np.save(path, found)
    elif path.suffix == ".parquet":
        frame = texts.frame.with_columns(pl.Series("vector", found, dtype=pl.Array(pl.Float32, found.shape[1])))
        frame.write_parquet(path)
    else:
        raise UsageError(f"vectors are not written to {path.suffix or 'a file without an ending'}", where=str(path), remedy="use .npy or .parquet")


def read(path: Path) -> Float[np.ndarray, "text width"]:
    """What `save` wrote. Raises UsageError for a file that holds no vectors."""
    try:
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            found = pl.read_parquet(path, columns=["vector"])["vector"].to_numpy()
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"there are no vectors in it ({error})", where=str(path), remedy="give a file that `sonde predict --embed` wrote") from None
    if found.ndim != 2:
        raise UsageError(f"there are no vectors in it, but {found.ndim} axes", where=str(path), remedy="give a file that `sonde predict --embed` wrote")
    return found.astype(np.float32)
