"""House Prices, 5 folds, three fold seeds: the multilayer perceptron and the one-hot linear model beside it.

RMSLE is the root mean squared error of the logarithm of the price; each number is the mean over the five folds.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """RMSLE of both models."""
    data("house_prices")
    rows = []
    for recipe, limit in (("house-prices-mlp", 0.133), ("house-prices-linear", None)):
        with workplace() as folder:
            given = ["--folds", "2" if options.quick else "5"]
            if options.quick and limit is not None:  # the linear model is solved, not trained
                given += ["--epochs", "1"]
            runs = over_seeds(folder, 1 if options.quick else 3, recipe, *given)
        values = [run.metric("rmsle", "mean") for run in runs]
        rows.append(Row(f"House Prices, {recipe}: RMSLE, mean of 5 folds", values, at_most=limit, centre="mean", digits=4))
        rows.append(
            Row(
                f"House Prices, {recipe}: spread over the folds of a seed",
                [run.metric("rmsle", "sd") for run in runs],
                centre="mean",
                digits=4,
            )
        )
        rows.append(Row(f"House Prices, {recipe}: whole command", [run.seconds for run in runs], "s"))
    return rows


if __name__ == "__main__":
    main("House Prices, 5 folds", measure)
