"""Sonde: deep learning you can use, see through and grow.

`train` and `load` import what they need when they are called, so that `import sonde` costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sonde.run import Run

__version__ = "0.1.0"

# What a resume may change: how long it goes on and where, not what is trained.
RESUMABLE = ("epochs", "minutes", "patience", "save_every", "device", "processes")


def train(
    source: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    features: str | Sequence[str] | None = None,
    drop: str | Sequence[str] | None = None,
    id: str | None = None,
    images: str | None = None,
    text: str | None = None,
    text_form: Literal["raw", "lower", "letters"] | None = None,
    tokenizer: str | None = None,
    vocabulary: int | None = None,
    floor: int | None = None,
    length: int | None = None,
    group: str | None = None,
    time: str | None = None,
    split: Literal["random", "stratified", "group", "time", "given"] | None = None,
    validation: float | str | None = None,
    test: float | str | None = None,
    folds: int | None = None,
    examples: int | None = None,
    size: int | None = None,
    augment: str | Sequence[str] | None = None,
    on_error: Literal["stop", "skip"] | None = None,
    task: str | None = None,
    model: str | None = None,
    weights: str | None = None,
    freeze: str | Sequence[str] | None = None,
    keep_labels: str | None = None,
    optimizer: Literal["sgd", "momentum", "nesterov", "adam", "adamw"] | None = None,
    lr: float | Literal["auto"] | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    body_lr: float | None = None,
    layer_decay: float | None = None,
    schedule: Literal["constant", "step", "cosine", "one-cycle"] | None = None,
    warmup: float | None = None,
    clip: float | None = None,
    ball: float | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    precision: Literal["float32", "float64", "bf16", "fp16"] | None = None,
    compile: bool | Literal["auto"] | None = None,
    channels_last: bool | None = None,
    ema: float | None = None,
    patience: int | None = None,
    save_every: float | None = None,
    processes: int | None = None,
    trace: bool | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    listen: Sequence[Callable[[dict[str, Any]], None]] = (),
) -> Run:
    """Train a model and return its run: `sonde train` as a function, with the same names and the same defaults.

    `source` is a path, a recipe (file or name), a named set, a pandas or polars frame, arrays or tensors as `(x, y)` or
    in a dict, or a `sonde.recipe.Recipe`; None is the digits that come with the package. None for a flag means "decide
    for me"; `sonde train --help` describes each. `settings` are `--set` values: `{"model.width": 64}`. `resume` goes on
    with a run folder. `listen` are called with every event of the run, a dict.

    Raises the errors of `sonde.errors`; `Interrupted` after Ctrl-C, when everything has been saved.
    """
    from sonde import recipe as recipes

    flags = {name: value for name, value in locals().items() if value is not None and name in recipes.FLAGS}
    return _train(source, _lists(flags), dict(settings or {}), out=out, resume=resume, listen=listen)


def load(path: str | Path) -> Run:
    """The run in a folder: `sonde.load("runs/leaves-1").predict("b.jpg")`. Raises RunError where there is none."""
    from sonde.run import Run

    return Run.load(path)


def _train(
    source: Any,
    flags: dict[str, Any],
    settings: dict[str, Any],
    *,
    out: str | Path | None,
    resume: str | Path | None,
    listen: Sequence[Callable[[dict[str, Any]], None]],
) -> Run:
    from sonde.recipe import Recipe, with_flags, with_settings

    with_settings(with_flags(Recipe(), flags), settings)  # a wrong value is refused before the slow imports
    if resume is not None:
        _check_resume(source, flags, settings, out)

    from sonde import fit
    from sonde.recipes.defaults import for_another_model
    from sonde.search import folds

    place = None if out is None else Path(out)
    if resume is not None:
        return folds.resume(Path(resume), flags, data=source, listen=listen)
    if source is None or isinstance(source, (str, Path)):
        recipe, data = fit.recipe_for(None if source is None else str(source)), None
    elif isinstance(source, Recipe):
        recipe, data = source, None
    else:
        recipe, data = Recipe(), source
    recipe = with_settings(with_flags(for_another_model(recipe, flags), flags), settings)
    return folds.train(recipe, data=data, out=place, listen=listen)


def _lists(flags: dict[str, Any]) -> dict[str, Any]:
    """One name stands for a list of one: `target="price"`."""
    from sonde.recipe import field

    return {
        name: (value,) if isinstance(value, str) and "tuple[" in str(field(name).annotation) else value for name, value in flags.items()
    }


def _check_resume(source: Any, flags: dict[str, Any], settings: dict[str, Any], out: str | Path | None) -> None:
    from sonde.errors import UsageError

    if isinstance(source, (str, Path)):
        raise UsageError(
            f"a resumed run has its own data; {str(source)!r} is one too many",
            where="--resume",
            remedy="leave the data out, or train a new run",
        )
    others = [name for name in flags if name not in RESUMABLE]
    if others or settings or out is not None:
        given = ", ".join([f"--{name.replace('_', '-')}" for name in others] + ["--set"] * bool(settings) + ["--out"] * (out is not None))
        kept = ", ".join(f"--{name.replace('_', '-')}" for name in RESUMABLE)
        raise UsageError(
            f"{given} cannot be changed while a run goes on",
            where="--resume",
            remedy=f"these can: {kept}; for other values train a new run",
        )
