"""docs/architecture.md says what the tests hold: the same table of imports."""

from __future__ import annotations

import re
from pathlib import Path

from architecture.test_layers import BELOW_RUN, MAY_IMPORT

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_page_has_the_table_that_the_tests_hold() -> None:
    section = PAGE[PAGE.index("| area | may import |") : PAGE.index("Of some neighbours")]
    found = {}
    for names, rest in re.findall(r"^\| (`[^|]*) \| ?(.*?) ?\|$", section, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            allowed = set(re.findall(r"`(\w+)`", rest.split("(")[0]))
            if "what `run` may" in rest:
                allowed |= BELOW_RUN
            if "what `fit` may" in rest:
                allowed |= MAY_IMPORT["fit"]
            found[name] = frozenset(allowed)
    assert found == MAY_IMPORT


def test_every_file_that_the_page_names_exists() -> None:
    root = Path(__file__).parents[2]
    for name in set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md|toml|txt))`", PAGE)) - {"recipe.toml"}:
        assert (root / name).exists() or (root / "src" / "sonde" / name).exists(), name
