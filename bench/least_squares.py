"""Linear regression in closed form, 1,000,000 × 100 float32, against scikit-learn's LinearRegression and PyTorch's own lstsq.

Test errors stand beside the times: a fast wrong answer is worth nothing. The second set is ill-conditioned (two columns that
differ by a millionth), where the normal equations alone would fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from bench.table import Options, Row, main
from bench.timing import interleave, ratios
from sonde.ops.least_squares import solve

Weights = np.ndarray


def examples(rows: int, columns: int, *, conditioned: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and test inputs and targets with unit noise; the last column nearly repeats the first unless `conditioned`."""
    draws = np.random.default_rng(0)
    inputs = draws.standard_normal((rows + 100_000, columns), np.float32)
    if not conditioned:
        inputs[:, -1] = inputs[:, 0] + 1e-6 * inputs[:, -1]
    targets = inputs @ draws.standard_normal(columns, np.float32) + 3 + draws.standard_normal(len(inputs), np.float32)
    return inputs[:rows], targets[:rows], inputs[rows:], targets[rows:]


def solvers(inputs: np.ndarray, targets: np.ndarray, found: dict[str, Weights]) -> dict[str, Callable[[], float]]:
    """Each solves once, leaves weights (columns + 1, intercept last) in `found`, and returns its seconds."""

    def ours() -> Weights:
        weight, bias, _ = solve(torch.from_numpy(inputs), torch.from_numpy(targets))
        return np.append(weight.numpy(), bias.numpy())

    def scikit_learn() -> Weights:
        fitted = LinearRegression().fit(inputs, targets)
        return np.append(fitted.coef_, fitted.intercept_)

    def torch_lstsq() -> Weights:
        padded = torch.cat([torch.from_numpy(inputs), torch.ones(len(inputs), 1)], 1)
        return torch.linalg.lstsq(padded, torch.from_numpy(targets)[:, None], driver="gels").solution.numpy().ravel()

    def timed(name: str, solver: Callable[[], Weights]) -> Callable[[], float]:
        def turn() -> float:
            started = time.perf_counter()
            found[name] = solver()
            return time.perf_counter() - started

        return turn

    return {
        name: timed(name, solver)
        for name, solver in {"sonde": ours, "scikit-learn": scikit_learn, "torch lstsq (gels)": torch_lstsq}.items()
    }


def measure(options: Options) -> list[Row]:
    """Times, ratios and test errors, well and ill conditioned."""
    rows, columns = (5_000, 20) if options.quick else (1_000_000, 100)
    rounds = 1 if options.quick else options.rounds or 5
    out = []
    for conditioned in (True, False):
        name = "well conditioned" if conditioned else "ill conditioned"
        inputs, targets, test_inputs, test_targets = examples(rows, columns, conditioned=conditioned)
        found: dict[str, Weights] = {}
        turns = interleave(solvers(inputs, targets, found), rounds=rounds)
        out += [Row(f"{name}: {solver}", seconds, "s") for solver, seconds in turns.items()]
        errors = {
            solver: float(np.sqrt(np.mean((test_inputs @ weights[:-1] + weights[-1] - test_targets) ** 2)))
            for solver, weights in found.items()
        }
        out += [Row(f"{name}: test error of {solver}", [error], "RMSE", digits=5) for solver, error in errors.items() if solver != "sonde"]
        same = errors["scikit-learn"] * 1.0001
        out.append(Row(f"{name}: test error of sonde", [errors["sonde"]], "RMSE", at_most=same, digits=5))
        floor = 10.0 if conditioned else None
        out.append(Row(f"{name}: scikit-learn / sonde", ratios(turns["scikit-learn"], turns["sonde"]), "×", at_least=floor))
    return out


if __name__ == "__main__":
    main("Linear regression in closed form, 1,000,000 × 100", measure)
