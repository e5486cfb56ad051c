"""`python -m sonde`, as torchrun starts it."""

from __future__ import annotations

import os
import sys

from sonde.cli.main import main


def run() -> None:
    """The command; one of several processes that train together ends at once when its work is done."""
    code = main()
    if "WORLD_SIZE" in os.environ:  # torchrun set it, and training has imported torch
        from sonde.training.world import leave

        leave(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
