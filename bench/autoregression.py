"""A series many steps ahead: errors 1, 4, 16 and 64 steps on, from a Markov window and from a latent state, against persistence and filling in."""

from __future__ import annotations

from pathlib import Path

from bench.machine import data
from bench.scores import train, workplace
from bench.table import Options, Row, main
from sonde.explain.ahead import STEPS, ahead
from sonde.run import Run

# Model and what is set beside it: a linear and a hidden-layer Markov window, a state that reads a longer past.
MODELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("linear, window 4", "linear-regression", ("task.window=4",)),
    ("linear, window 28", "linear-regression", ("task.window=28",)),
    ("mlp, window 28", "mlp", ("task.window=28",)),
    ("gru, window 28", "gru", ("task.window=28", "model.width=32")),
    ("lstm, window 28", "lstm", ("task.window=28", "model.width=32")),
)
FILLING: tuple[tuple[str, str, tuple[str, ...]], ...] = (("linear", "linear-regression", ()), ("gru", "gru", ("model.width=32",)))


def one(folder: Path, source: str, model: str, settings: tuple[str, ...], options: Options) -> Run:
    """The run of a model on a series."""
    given = [piece for setting in settings for piece in ("--set", setting)]
    epochs = [] if model == "linear-regression" else ["--epochs", "1" if options.quick else "30"]
    return Run.load(train(folder, source, "--model", model, *given, *epochs).run)


def measure(options: Options) -> list[Row]:
    """The table of both series."""
    rows: list[Row] = []
    data("daily_views")
    with workplace() as folder:
        for source, unit in (("noisy-sine", ""), ("daily-views", "ln(views)")):
            for name, model, settings in MODELS[:1] + MODELS[3:4] if options.quick else MODELS:
                found = ahead(one(folder, source, model, settings, options), STEPS)
                rows += [Row(f"{source}, {name}: MAE {k} ahead", [error], unit) for k, error in zip(found.steps, found.errors, strict=True)]
            rows += [Row(f"{source}, persistence: MAE {k} ahead", [error], unit) for k, error in zip(found.steps, found.expected, strict=True)]
            for name, model, settings in FILLING[:1] if options.quick else FILLING:
                run = one(folder, source, model, (*settings, "task.window=14", "task.after=14"), options)
                filled = ahead(run, (1,))
                rows.append(Row(f"{source}, {name}, filled in from 14 values on either side: MAE", [filled.errors[0]], unit))
            rows.append(Row(f"{source}, straight line between the neighbours: MAE", [filled.expected[0]], unit))
    return rows


if __name__ == "__main__":
    main("Series many steps ahead", measure)
