"""California housing with its gaps and its category: a random 20 % test part, three splits, a tree baseline on the same rows beside it."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.preprocessing import OrdinalEncoder

from bench.machine import data
from bench.scores import SMALL, Training, over_seeds, workplace
from bench.table import Options, Row, main

TARGET, CATEGORY = "median_house_value", "ocean_proximity"


def tree(run: Training) -> float:
    """Test RMSE of scikit-learn's boosted trees, trained on the rows of the run's training and validation parts."""
    frame = pl.read_csv(data("california_housing") / "housing.csv")
    inputs = frame.drop(TARGET, CATEGORY).to_numpy()
    category = OrdinalEncoder().fit_transform(frame[[CATEGORY]].to_numpy())
    inputs, targets = np.hstack([inputs, category]), frame[TARGET].to_numpy()
    parts = pl.read_parquet(run.run / "predictions.parquet")
    test = parts.filter(pl.col("part") == "test")["example"].to_numpy()
    train = np.setdiff1d(np.arange(len(targets)), test)
    model = HistGradientBoostingRegressor(
        max_iter=500, learning_rate=0.08, early_stopping=True, categorical_features=[inputs.shape[1] - 1], random_state=0
    )
    model.fit(inputs[train], targets[train])
    return float(np.sqrt(np.mean((model.predict(inputs[test]) - targets[test]) ** 2)))


def measure(options: Options) -> list[Row]:
    """Test RMSE in dollars."""
    data("california_housing")
    with workplace() as folder:
        runs = (
            over_seeds(folder, 1, "california-mlp", *SMALL) if options.quick else over_seeds(folder, 3, "california-mlp", "--test", "0.2")
        )
        trees = [tree(run) for run in runs]
    return [
        Row("California housing, mlp: test RMSE", [run.metric("rmse") for run in runs], "$", at_most=51_000, centre="mean"),
        Row("California housing, boosted trees on the same rows: test RMSE", trees, "$", centre="mean"),
        Row("California housing, mlp: whole command", [run.seconds for run in runs], "s"),
    ]


if __name__ == "__main__":
    main("California housing", measure)
