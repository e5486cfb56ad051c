"""Fixtures for all tests, and the closing line that says what was skipped for want of data."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from beartype import BeartypeConf, BeartypeDecorPlace
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

SOURCE = Path(__file__).parents[1] / "src" / "sonde"
# Modules with shapes, and those whose annotations have names that beartype alone does not find while they run.
JAXTYPED = re.compile("from jaxtyping import|NamedTuple|TYPE_CHECKING|hashlib._Hash")


def check_annotations() -> None:
    """Let every annotation of the package be checked while the tests run: by jaxtyping where shapes are stated, elsewhere by beartype alone.

    jaxtyping binds the arguments of each call anew, 25 µs. In modules without shapes, whose functions are called far more often (each tag of a
    report, for one), that took a fifth of the time of the tests.
    """
    import sonde  # noqa: F401  (its `load -> Run` names a class that is imported when it is called)

    beartype_package("sonde", conf=BeartypeConf(claw_is_pep526=False, claw_decor_place_func=BeartypeDecorPlace.FIRST))
    shaped = [path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py" and JAXTYPED.search(path.read_text(encoding="utf-8"))]
    names = [".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__") for path in shaped]
    install_import_hook(names, "beartype.beartype")


check_annotations()

WITHOUT_DATA = "SONDE_DATA is not set to a folder of real data sets"


# A process of the run takes whole files: those that take a minute are begun first, so that at the end none waits for another.
LONG = (
    "tests/docs/",
    "tests/golden/",
    "tests/test_faults.py",
    "tests/verify/test_pairs.py",
    "tests/contracts/",
    "tests/training/test_whole_step.py",
    "tests/export/",
    "tests/packaging/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, the others as they are found."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))


@pytest.fixture(scope="session")
def sonde_data() -> Path:
    """The folder of real data sets; tests that need it are skipped, visibly, where it is not."""
    folder = os.environ.get("SONDE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip(WITHOUT_DATA)
    return Path(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line of all: how many tests the real data sets would have added, and where they stand."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    skipped = Counter(report.nodeid.split("::")[0] for report in reporter.stats.get("skipped", []) if WITHOUT_DATA in str(report.longrepr))
    if skipped:
        files = ", ".join(f"{name} ({count})" for name, count in sorted(skipped.items()))
        reporter.write_line(f"{skipped.total()} tests on real data were skipped, as {WITHOUT_DATA}: {files}", yellow=True)
