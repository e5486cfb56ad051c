"""`sonde train`: data or a recipe in, a run folder out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

import sonde
from sonde.cli import summary
from sonde.cli.flags import Json, Quiet, flag, given, many, settings, variations
from sonde.cli.output import Answer, say, table
from sonde.cli.progress import Progress
from sonde.errors import UsageError
from sonde.recipe import FLAGS, Recipe, with_flags, with_settings

SET = many("any other value, section.key=value: --set model.width=64 (repeatable)")


def train(
    source: Annotated[str | None, Parameter(help="a path, a recipe (file or name) or a named set [default: digits]")] = None,
    /,
    *,
    target: Annotated[tuple[str, ...] | None, flag("target")] = None,
    features: Annotated[tuple[str, ...] | None, flag("features")] = None,
    drop: Annotated[tuple[str, ...] | None, flag("drop")] = None,
    id: Annotated[str | None, flag("id")] = None,
    images: Annotated[str | None, flag("images")] = None,
    text: Annotated[str | None, flag("text")] = None,
    text_form: Annotated[Literal["raw", "lower", "letters"] | None, flag("text_form")] = None,
    tokenizer: Annotated[str | None, flag("tokenizer")] = None,
    vocabulary: Annotated[int | None, flag("vocabulary")] = None,
    floor: Annotated[int | None, flag("floor")] = None,
    length: Annotated[int | None, flag("length")] = None,
    group: Annotated[str | None, flag("group")] = None,
    time: Annotated[str | None, flag("time")] = None,
    split: Annotated[Literal["random", "stratified", "group", "time", "given"] | None, flag("split")] = None,
    validation: Annotated[float | str | None, flag("validation")] = None,
    test: Annotated[float | str | None, flag("test")] = None,
    folds: Annotated[int | None, flag("folds")] = None,
    examples: Annotated[int | None, flag("examples")] = None,
    size: Annotated[int | None, flag("size")] = None,
    augment: Annotated[tuple[str, ...] | None, flag("augment")] = None,
    on_error: Annotated[Literal["stop", "skip"] | None, flag("on_error")] = None,
    task: Annotated[str | None, flag("task")] = None,
    model: Annotated[str | None, flag("model")] = None,
    weights: Annotated[str | None, flag("weights")] = None,
    freeze: Annotated[tuple[str, ...] | None, flag("freeze")] = None,
    keep_labels: Annotated[str | None, flag("keep_labels")] = None,
    optimizer: Annotated[Literal["sgd", "momentum", "nesterov", "adam", "adamw"] | None, flag("optimizer")] = None,
    lr: Annotated[float | Literal["auto"] | None, flag("lr")] = None,
    momentum: Annotated[float | None, flag("momentum")] = None,
    weight_decay: Annotated[float | None, flag("weight_decay")] = None,
    body_lr: Annotated[float | None, flag("body_lr")] = None,
    layer_decay: Annotated[float | None, flag("layer_decay")] = None,
    schedule: Annotated[Literal["constant", "step", "cosine", "one-cycle"] | None, flag("schedule")] = None,
    warmup: Annotated[float | None, flag("warmup")] = None,
    clip: Annotated[float | None, flag("clip")] = None,
    ball: Annotated[float | None, flag("ball")] = None,
    epochs: Annotated[int | None, flag("epochs")] = None,
    minutes: Annotated[float | None, flag("minutes")] = None,
    batch_size: Annotated[int | None, flag("batch_size")] = None,
    accumulate: Annotated[int | None, flag("accumulate")] = None,
    seed: Annotated[int | None, flag("seed")] = None,
    device: Annotated[str | None, flag("device")] = None,
    precision: Annotated[Literal["float32", "float64", "bf16", "fp16"] | None, flag("precision")] = None,
    compile: Annotated[bool | Literal["auto"] | None, flag("compile")] = None,
    channels_last: Annotated[bool | None, flag("channels_last")] = None,
    ema: Annotated[float | None, flag("ema")] = None,
    patience: Annotated[int | None, flag("patience")] = None,
    save_every: Annotated[float | None, flag("save_every")] = None,
    processes: Annotated[int | None, flag("processes")] = None,
    trace: Annotated[bool | None, flag("trace")] = None,
    set: Annotated[tuple[str, ...], SET] = (),
    vary: Annotated[str | None, Parameter(help="train a range and compare: --vary model.width=8,32,128")] = None,
    out: Annotated[Path | None, Parameter(help="run folder [default: runs/NAME-1, -2, …]")] = None,
    resume: Annotated[Path | None, Parameter(help="go on with this run; with --epochs, train longer")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Train a model: data are read and checked, the task is inferred, and the run folder holds all there is to know.

    Give what you know; whatever you leave out is decided from the data and recorded in the run's recipe.toml.
    """
    flags, changes = given(locals()), settings(set)
    say(_announce(source, flags, resume), quiet=quiet)
    with Progress(quiet=quiet) as progress:
        if vary is not None:
            return _vary(source, flags, changes, vary, out=out, resume=resume, listen=(progress,), json=json)
        run = sonde.train(source, **flags, settings=changes, out=out, resume=resume, listen=(progress,))
    document = summary.document(run.path)
    return Answer(document, summary.text(document), json=json)


def _announce(source: str | None, flags: dict[str, Any], resume: Path | None) -> str:
    """The first line, printed before anything slow: what will be done."""
    values = " · ".join(
        f"{name.replace('_', '-')} {','.join(value) if isinstance(value, tuple) else value}" for name, value in flags.items()
    )
    what = f"going on with {resume}" if resume is not None else f"training on {source or 'digits, which come with the package'}"
    return f"{what} · {values}" if values else what


def _vary(
    source: str | None,
    flags: dict[str, Any],
    changes: dict[str, Any],
    text: str,
    *,
    out: Path | None,
    resume: Path | None,
    listen: Sequence[Any],
    json: bool,
) -> Answer:
    """Train one run for each of several values, and say which does best."""
    key, values = variations(text)
    if resume is not None:
        raise UsageError("--vary trains new runs; it cannot go on with one", where="--resume", remedy="leave out one of the two")
    if key in changes or any(".".join(FLAGS[name]) == key for name in flags):
        raise UsageError(f"{key} is given and varied", where="--vary", remedy="give it once")
    for value in values:  # a wrong value is refused before the first run
        with_settings(with_flags(Recipe(), flags), {**changes, key: value})

    from sonde import fit
    from sonde.recipes.defaults import for_another_model
    from sonde.search.vary import vary

    recipe = with_settings(with_flags(for_another_model(fit.recipe_for(source), flags), flags), changes)
    found = vary(recipe, key, values, out=out, listen=listen)
    rows = [(point["value"], point["train"], point["validation"], point["verdict"], point["run"]) for point in found["points"]]
    heads = (found["key"], f"{found['metric']}, train", "validation", "verdict", "run")
    return Answer(found, "\n".join([table(rows, heads), "", found["message"], f"page {found['page']}"]), json=json)
