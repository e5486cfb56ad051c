"""`python -m bench [NAME…] [--quick] [--write] [--peers PYTHON]`: run benchmarks, each in a process of its own, and print their tables.

Without names all of them run, the quick ones first; that takes some hours. `--write` puts each table into bench/README.md. Leaves with 1
when a requirement is missed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time

from bench.machine import ROOT, describe, environment

NAMES = (
    "startup",
    "install_size",
    "digits",
    "least_squares",
    "loop_cost",
    "augmentation",
    "scratch_steps",
    "class_folders",
    "cost_model",
    "mnist_lenet",
    "california",
    "adult",
    "daily_views",
    "autoregression",
    "house_prices",
    "kill_resume",
    "sst2",
    "wnut17",
    "bert_fine_tuning",
    "bert_pretraining",
    "pretraining_speed",
    "xquad",
    "bert_fine_tuning_step",
    "bert_forward",
    "recurrent_speed",
    "time_machine",
    "tiny_shakespeare",
    "big_csv",
    "lenet_epoch_peers",
    "lenet_epoch_compiled",
    "resnet18_training",
    "cifar10_resnet20",
    "cifar10_airbench",
    "camvid",
    "bccd",
    "bccd_contest",
    "raccoon",
    "flowers_visual_words",
    "flowers_fine_tuning",
    "decoding",
    "anchors",
    "suppression",
    "faster_rcnn",
    "style_transfer",
    "transformer_speed",
    "multi30k",
    "fra_eng",
)
PAGE = ROOT / "bench" / "README.md"


def run(name: str, options: list[str]) -> tuple[str, bool]:
    """The benchmark's output, shown as it comes, and whether all that is required was reached."""
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", f"bench.{name}", *options], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return "".join(lines), process.returncode == 0


def write(name: str, text: str) -> None:
    """Put a benchmark's output between its marks in the page."""
    mark = f"<!-- {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    said = f"{mark}\n{text.strip()}\n\nMeasured on {describe()}, {time.strftime('%Y-%m-%d')}.\n{mark}"
    found, count = re.subn(rf"{mark}\n.*?{mark}", lambda _: said, page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"bench/README.md has no place between two {mark}")
    PAGE.write_text(found, encoding="utf-8")


def passed(given: argparse.Namespace) -> list[str]:
    """The options that every benchmark takes, as they were given."""
    options = [f"--{name}" for name in ("quick", "eager") if getattr(given, name)]
    for name in ("peers", "rounds", "examples"):
        options += [f"--{name}", getattr(given, name)] if getattr(given, name) else []
    return options + [part for run in given.run for part in ("--run", run)]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed and accuracy, each against what is required.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smallest sizes, to see that everything runs; the numbers are worthless")
    parser.add_argument("--write", action="store_true", help="put the tables into bench/README.md")
    parser.add_argument("--peers", help="Python interpreter of the peers' environment (bench/requirements-peers.txt)")
    parser.add_argument("--rounds", help="turns of each contender in a race")
    parser.add_argument("--examples", help="examples an epoch in a race (default: a whole epoch)")
    parser.add_argument("--eager", action="store_true", help="leave the compiled forms of a race out")
    parser.add_argument("--run", action="append", default=[], help="a run that a benchmark's own command trained before, instead of training it")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if given.write and given.quick:
        parser.error("the numbers of --quick mean nothing, so they are not written")
    print(f"Measured on {describe()}, {time.strftime('%Y-%m-%d')}.", flush=True)
    missed = []
    for name in given.names or NAMES:
        options = [] if name == "install_size" else passed(given)
        text, reached = run(name, options)
        if not reached:
            missed.append(name)
        if given.write and text.strip():
            write(name, text)
    if given.quick:
        print("\nNot everything ran." if missed else "\nEverything ran.")
    else:
        print(f"\nMissed: {', '.join(missed)}" if missed else "\nEverything that is required is reached.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
