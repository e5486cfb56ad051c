"""`python -m sonde`, as torchrun starts it."""

from __future__ import annotations

import os
import sys

from sonde.cli.main import main

if __name__ == "__main__":
    code = main()
    if "WORLD_SIZE" in os.environ:  # torchrun set it, and training has imported torch
        from sonde.training.world import leave

        leave(code)
    sys.exit(code)
