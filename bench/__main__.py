"""`python -m bench [NAME…] [--quick] [--peers PYTHON]`: run benchmarks, each in a process of its own, and print their tables.

Without names all of them run, the quick ones first; that takes some hours. Leaves with 1 when a requirement is missed.
"""

from __future__ import annotations

import argparse
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
    "class_folders",
    "mnist_lenet",
    "california",
    "adult",
    "daily_views",
    "house_prices",
    "kill_resume",
    "big_csv",
    "lenet_epoch_peers",
    "cifar10_resnet20",
)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed and accuracy, each against what is required.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smallest sizes, to see that everything runs; the numbers are worthless")
    parser.add_argument("--peers", help="Python interpreter of the peers' environment (bench/requirements-peers.txt)")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    print(f"Measured on {describe()}, {time.strftime('%Y-%m-%d')}.", flush=True)
    missed = []
    for name in given.names or NAMES:
        options = (
            [] if name == "install_size" else [*(["--quick"] if given.quick else []), *(["--peers", given.peers] if given.peers else [])]
        )
        if subprocess.run([sys.executable, "-m", f"bench.{name}", *options], cwd=ROOT, env=environment()).returncode:
            missed.append(name)
    print(f"\nMissed: {', '.join(missed)}" if missed else "\nEverything that is required is reached.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
