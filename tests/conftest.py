"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sonde_data() -> Path:
    """The folder of real data sets; tests that need it are skipped, visibly, where it is not."""
    folder = os.environ.get("SONDE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SONDE_DATA is not set to a folder of real data sets")
    return Path(folder)
