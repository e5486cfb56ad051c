"""Inside an image model, as pictures: first filters, what stages answer to some examples, where it looked, whom it mixes up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from sonde.data.contents import Examples
from sonde.errors import UsageError, nearest
from sonde.explain import filters, paint, saliency
from sonde.explain.classes import answer_probability
from sonde.explain.held_out import HeldOut
from sonde.explain.worst import PROBABILITY, plain, thumbnail, write_picture
from sonde.nn.prepared import Prepared
from sonde.run import PartData, Run

# Examples looked into: the surest right answers, of different classes, and the worst wrong ones.
RIGHT, WRONG = 3, 4
# Channels of a stage that are drawn, in two rows; larger maps are shrunk to so many pixels.
CHANNELS, MAP_SIDE = 8, 56
STAGES = 5
# Filters that are drawn: at most so many, and of large ones so many as make so many numbers.
FILTERS, FILTER_NUMBERS = 64, 20_000
FILTER_SIDE = 24
# Pairs of classes, and examples of each.
PAIRS, PAIRED = 4, 6


def first_filters(run: Run, folder: Path) -> dict[str, Any] | None:
    """{"layer", "file", "shown", "of", "channels", "height", "width"} of `folder`/filters.png; None where the first layer has none."""
    prepared, sizes = run.model, run.preparation.sizes
    assert isinstance(prepared, Prepared)
    layer = filters.first_layer(prepared.network, channels=sizes["channels"], size=sizes["size"])
    if layer is None:
        return None
    count, channels, height, width = layer.weight.shape
    if height * width == 1:  # one number a channel shows nothing
        return None
    shown = min(count, FILTERS, max(8, FILTER_NUMBERS // (channels * height * width)))
    tiles = filters.pictures(layer.weight[:shown]).permute(0, 2, 3, 1).cpu().numpy()
    paint.sheet(tiles, columns=min(shown, 16), factor=max(1, FILTER_SIDE // max(height, width))).save(folder / "filters.png", optimize=True)
    numbers = {"shown": shown, "of": count, "channels": channels, "height": height, "width": width}
    return {"layer": layer.name, "file": f"{folder.name}/filters.png", **numbers}


@dataclass(frozen=True)
class Look:
    """Pictures to look into: those as the model reads them, (example, channel, height, width), and of each its predictions' row.

    A row has `name`, `target` (None where the truth is not known), `prediction` and its probability.
    """

    images: Tensor
    rows: list[dict[str, Any]]
    asked_for: bool = False


def typical(data: PartData, rows: pl.DataFrame) -> Look:
    """Some of a part's examples; `rows` are its predictions, with `example`, `target`, `prediction`, `loss` and probabilities."""
    chosen = choose(rows)
    return Look(_of_part(data, chosen), chosen)


def asked_for(run: Run, held: HeldOut | None, names: Sequence[str]) -> Look:
    """The pictures that `names` name: files, or examples of the part that was held out, by name or by number.

    Raises UsageError where a name is neither, DataError for a file that cannot be read as a picture.
    """
    images, rows = [], []
    for name in names:
        if Path(name).is_file():
            examples, answer = run.opened([name]), run.predict([name])
            image = run.encode(examples, targets=False).columns.inputs[0]
            images.append(image)
            (row,) = answer.with_columns(pl.Series(PROBABILITY, answer_probability(answer)), target=None, example=None).iter_rows(named=True)
        else:
            data, row = _in_part(run, held, name)
            images.append(_of_part(data, [row]))
        rows.append(row)
    return Look(torch.cat(images), rows, asked_for=True)


def _in_part(run: Run, held: HeldOut | None, name: str) -> tuple[PartData, dict[str, Any]]:
    part = "part that was held out" if held is None else f"{held.part} part"
    if held is None or held.data is None or "target" not in held.rows.columns:
        raise UsageError(f"there is no picture file {name!r}, and no {part} of this run at hand", where="--look", remedy="give a picture file")
    rows = held.rows.with_columns(pl.Series(PROBABILITY, answer_probability(held.rows)))
    called = rows["name"].cast(pl.String)
    found = rows.filter(called == name)
    if found.is_empty() and name.isdecimal():
        found = rows.filter(pl.col("example") == int(name))
    if found.is_empty():
        near = nearest(name, called.to_list())
        remedy = f"did you mean {near!r}?" if near else f"names stand in {run.path / 'predictions.parquet'}, such as {called[0]!r}"
        raise UsageError(f"there is no picture file {name!r}, and the {part} has no example of this name", where="--look", remedy=remedy)
    return held.data, found.row(0, named=True)


def _of_part(data: PartData, rows: Sequence[dict[str, Any]]) -> Tensor:
    return data.columns.inputs[0][torch.tensor([int(row["example"]) for row in rows], dtype=torch.int64)]


def examined(run: Run, look: Look, folder: Path) -> dict[str, Any]:
    """{"method", "stage", "asked_for", "examples"}: each picture, its saliency for the answer (and for the truth), and the maps of the stages."""
    chosen = look.rows
    if not chosen:
        return {}
    names = list(run.description["task"]["target"]["classes"])
    images = look.images.to(run.device)
    maps, method, stage = _saliency(run, images, [_asked(row, names) for row in chosen])
    prepared = run.model
    assert isinstance(prepared, Prepared)
    outputs = saliency.stage_outputs(prepared.network, lambda: run.task.predict(run.model, (images,)))
    found = []
    for place, row in enumerate(chosen):
        pixels = images[place].permute(1, 2, 0).cpu().numpy()
        seen = []
        for number, (name, values) in enumerate(maps[place] if method != "none" else []):
            path = folder / f"saliency-{place}-{number}.jpg"
            _overlaid(pixels, values).save(path, quality=88, optimize=True)
            seen.append({"class": name, "file": f"{folder.name}/{path.name}"})
        path = folder / f"input-{place}.png"
        thumbnail(pixels).save(path, optimize=True)
        found.append(
            {
                **{key: plain(row[key]) for key in ("example", "name", "target", "prediction")},
                "probability": plain(row[PROBABILITY]),
                "picture": f"{folder.name}/{path.name}",
                "maps": seen,
                "activations": _activations(outputs, place, folder),
            }
        )
    return {"method": method, "stage": stage, "asked_for": look.asked_for, "examples": found}


def choose(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows to look into: the surest right answers, one a class, then the worst wrong ones."""
    rows = rows.with_columns(pl.Series(PROBABILITY, answer_probability(rows)))
    right = rows.filter(pl.col("target") == pl.col("prediction")).sort([PROBABILITY, "example"], descending=[True, False])
    wrong = rows.filter(pl.col("target") != pl.col("prediction")).sort(["loss", "example"], descending=[True, False])
    surest = right.unique("target", keep="first", maintain_order=True).head(RIGHT)
    return [*surest.iter_rows(named=True), *wrong.head(WRONG).iter_rows(named=True)]


def pairs(rows: pl.DataFrame, examples: Examples | None, folder: Path) -> list[dict[str, Any]]:
    """The pairs (true class, answer) that are mixed up most often, commonest first, each with its surest mistakes as pictures."""
    rows = rows.with_columns(pl.Series(PROBABILITY, answer_probability(rows)))
    found: list[dict[str, Any]] = []
    for target, prediction, count in commonest(rows):
        mixed = rows.filter((pl.col("target") == target) & (pl.col("prediction") == prediction))
        shown: list[dict[str, Any]] = []
        for row in mixed.sort([PROBABILITY, "example"], descending=[True, False]).head(PAIRED).iter_rows(named=True):
            path = folder / f"pair-{len(found)}-{len(shown)}.png"
            picture = write_picture(examples, int(row["example"]), path)
            shown.append({"name": plain(row["name"]), "probability": plain(row[PROBABILITY]), "picture": picture})
        of = rows.filter(pl.col("target") == target).height
        found.append({"target": plain(target), "prediction": plain(prediction), "count": count, "of": of, "examples": shown})
    return found


def commonest(rows: pl.DataFrame) -> list[tuple[Any, Any, int]]:
    """(true class, answer, how many) of the most frequent mistakes, the most frequent first; ties by name."""
    counted = rows.filter(pl.col("target") != pl.col("prediction")).group_by("target", "prediction").len()
    chosen = counted.sort(["len", "target", "prediction"], descending=[True, False, False]).head(PAIRS)
    return [(row["target"], row["prediction"], int(row["len"])) for row in chosen.iter_rows(named=True)]


def _asked(row: dict[str, Any], names: list[str]) -> list[int]:
    """The classes whose evidence is looked for: the answer, and the truth where that is known and another."""
    answer = names.index(str(row["prediction"]))
    truth = answer if row["target"] is None else names.index(str(row["target"]))
    return [answer] if answer == truth else [answer, truth]


def _saliency(run: Run, images: Tensor, asked: list[list[int]]) -> tuple[list[list[tuple[str, np.ndarray]]], str, str]:
    """Of each picture (class name, map) of the classes asked for, the method and the stage."""
    prepared = run.model
    assert isinstance(prepared, Prepared)
    places = [place for place, classes in enumerate(asked) for _ in classes]
    wanted = torch.tensor([number for classes in asked for number in classes], device=images.device)
    maps, method, stage = saliency.saliency(
        prepared.network, lambda x: run.task.predict(run.model, (x,)), images[torch.tensor(places, device=images.device)], wanted
    )
    names = run.description["task"]["target"]["classes"]
    found: list[list[tuple[str, np.ndarray]]] = [[] for _ in asked]
    for place, number, values in zip(places, wanted.tolist(), maps.cpu().numpy(), strict=True):
        found[place].append((str(names[number]), values))
    return found, method, stage


def _activations(outputs: dict[str, Tensor], place: int, folder: Path) -> list[dict[str, Any]]:
    """The strongest channels of some stages for one example, each stage a sheet, scaled together."""
    spread = _spread([(stage, output[place]) for stage, output in outputs.items() if output[0, 0].numel() > 1], STAGES)
    found = []
    for number, (stage, maps) in enumerate(spread):
        maps = maps.float()
        if max(maps.shape[1:]) > MAP_SIDE:
            maps = F.adaptive_avg_pool2d(maps, MAP_SIDE)
        strongest = maps.abs().mean((1, 2)).argsort(descending=True, stable=True)[:CHANNELS].sort().values
        shown = maps[strongest]
        values = (shown / shown.abs().amax().clamp(min=torch.finfo(shown.dtype).tiny)).clamp(min=0)
        path = folder / f"activation-{place}-{number}.png"
        factor = max(1, MAP_SIDE // max(shown.shape[1:]))
        paint.sheet(paint.coloured(values.cpu().numpy()), columns=-(-len(shown) // 2), factor=factor).save(path, optimize=True)
        height, width = outputs[stage].shape[2:]
        found.append({"stage": stage, "file": f"{folder.name}/{path.name}", "of": len(maps), "height": height, "width": width})
    return found


def _overlaid(pixels: np.ndarray, values: np.ndarray) -> Image.Image:
    """The picture at a size to look at, under a map that is smooth at that size."""
    large = thumbnail(pixels)
    smooth = Image.fromarray(values.astype(np.float32)).resize(large.size, Image.Resampling.BILINEAR)
    shown = np.asarray(large)
    return Image.fromarray(paint.overlay(shown[..., None] if shown.ndim == 2 else shown, np.asarray(smooth)))


def _spread(given: list[Any], most: int) -> list[Any]:
    """At most `most` of `given`, evenly, the first and the last among them."""
    if len(given) <= most:
        return given
    return [given[round(number * (len(given) - 1) / (most - 1))] for number in range(most)]


def remove_old(folder: Path, kinds: Iterable[str]) -> None:
    """Remove what an earlier call has written: `folder`/<kind>.png, <kind>-*.png and <kind>-*.jpg."""
    for kind in kinds:
        for old in (*folder.glob(f"{kind}-*.png"), *folder.glob(f"{kind}-*.jpg"), folder / f"{kind}.png"):
            old.unlink(missing_ok=True)
