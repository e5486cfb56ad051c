"""What the named recipes reach: trains each with several seeds and writes src/sonde/recipes/results.toml, which `sonde recipes` reads.

`python -m bench.recipes [NAME…] [--seeds 3]`. A recipe that is not trained anew keeps the entry it has.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tomllib
from typing import Any

import tomli_w

from bench.machine import ROOT, describe
from bench.scores import Training, over_seeds, workplace
from sonde.recipes import RECIPES

RESULTS = ROOT / "src" / "sonde" / "recipes" / "results.toml"


def entry(runs: list[Training]) -> dict[str, Any]:
    """Mean and sample standard deviation of the measure that the recipe is chosen by, on the part that was held out."""
    answer = runs[0].answer
    part = next(name for name in ("out_of_fold", "test", "validation") if name in answer["metrics"])
    metric = answer["monitor"]
    values = [run.metric(metric, part) for run in runs]
    return {
        "metric": metric,
        "part": part.replace("_", "-"),
        "mean": round(statistics.fmean(values), 6),
        **({"sd": round(statistics.stdev(values), 6)} if len(values) > 1 else {}),
        "seeds": list(range(len(runs))),
        "where": describe(),
        "seconds": round(statistics.median(run.seconds for run in runs), 1),
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.recipes", description="Measure named recipes and write down what they reach.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all that have data here")
    parser.add_argument("--seeds", type=int, default=3, help="at least 3; 1 for trainings of a quarter of an hour and more, which then have no sd")
    given = parser.parse_args()
    if given.seeds < 1 or given.seeds == 2:
        parser.error("a mean ± sd needs at least 3 seeds, and one run says that it is one")
    heading = "".join(line for line in RESULTS.read_text(encoding="utf-8").splitlines(keepends=True) if line.startswith("#"))
    for name in given.names or RECIPES:
        with workplace() as folder:
            found = entry(over_seeds(folder, given.seeds, name))
        spread = f" ± {found['sd']}" if "sd" in found else ""
        print(f"{name}: {found['metric']} {found['mean']}{spread} ({found['part']}), {found['seconds']} s", flush=True)
        table = tomllib.loads(RESULTS.read_text(encoding="utf-8")) | {name: found}
        RESULTS.write_text(heading + "\n" + tomli_w.dumps({key: table[key] for key in RECIPES if key in table}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
