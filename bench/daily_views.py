"""Tomorrow's page views from the last 1, 7, 28 and 56 days, linear to four hidden layers, the last year unseen, against persistence."""

from __future__ import annotations

from bench.machine import data
from bench.scores import Training, train, workplace
from bench.table import Options, Row, main

WINDOWS, LAYERS = (1, 7, 28, 56), (0, 1, 2, 3, 4)


def one(folder_run: Training, name: str) -> list[Row]:
    """Errors on the past and on the last year, and by how much persistence is beaten there."""
    return [
        Row(f"{name}: MAE on the past", [folder_run.metric("mae", "train")], "ln(views)"),
        Row(f"{name}: MAE on the last year", [folder_run.metric("mae")], "ln(views)"),
        Row(f"{name}: better than persistence on the last year", [folder_run.metric("skill")]),
    ]


def measure(options: Options) -> list[Row]:
    """The table of windows and depths, then the best."""
    data("daily_views")
    rows: list[Row] = []
    skills = []
    with workplace() as folder:
        for window in WINDOWS[1:2] if options.quick else WINDOWS:
            for layers in LAYERS[:2] if options.quick else LAYERS:
                model = (
                    ["--model", "linear-regression"]
                    if not layers
                    else ["--model", "mlp", "--set", f"model.depth={layers}", "--set", "model.width=100"]
                )
                run = train(
                    folder,
                    "daily-views-mlp",
                    *model,
                    "--set",
                    f"task.window={window}",
                    *(["--epochs", "1"] if options.quick and layers else []),
                )
                rows += one(run, f"{window} days, {f'{layers} hidden layers' if layers else 'linear'}")
                skills.append(run.metric("skill"))
                persistence = run.metric("persistence-mae")
    rows.append(Row("persistence: MAE on the last year", [persistence], "ln(views)"))
    return [*rows, Row("the best model is better than persistence by", [max(skills)], at_least=0.10)]


if __name__ == "__main__":
    main("Daily views, the last year unseen", measure)
