"""What a base install brings stays small, and says which versions the tests run with."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALL_SIZE = runpy.run_path(str(ROOT / "bench" / "install_size.py"))


def test_base_install_is_small() -> None:
    sizes = INSTALL_SIZE["measure"]()
    assert {"numpy", "polars", "pydantic"} <= {size.name for size in sizes}, "the closure of requirements was not followed"
    assert len(sizes) <= INSTALL_SIZE["LIMIT_PACKAGES"], [size.name for size in sizes]
    assert sum(size.megabytes for size in sizes) <= INSTALL_SIZE["LIMIT_MB"], sizes


def test_torch_and_its_own_requirements_are_not_counted() -> None:
    names = {size.name for size in INSTALL_SIZE["measure"]()}
    assert not names & {"torch", "sympy", "networkx", "jinja2", "sonde"}


def test_readme_prints_the_measured_number() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(r"\| \**Sonde\** \| \**(\d+)\** \| \**(\d+)\** \|", readme)
    assert row, "README.md has no row for Sonde in the table of peers"
    sizes = INSTALL_SIZE["measure"]()
    assert int(row[1]) == len(sizes)
    assert int(row[2]) == pytest.approx(sum(size.megabytes for size in sizes), rel=0.05), (
        "run python bench/install_size.py and write what it says"
    )


def test_requirements_have_no_upper_bound() -> None:
    for line in PROJECT["dependencies"]:
        operators = {specifier.operator for specifier in Requirement(line).specifier}
        assert operators == {">="}, line


def test_constraints_pin_what_the_tests_use() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    pins = {Requirement(line).name.lower().replace("_", "-"): Requirement(line) for line in lines}
    assert all({specifier.operator for specifier in pin.specifier} == {"=="} for pin in pins.values())
    assert not [line for line in lines if "+" in line], "a local version such as +cpu is not on the package index"
    wanted = {Requirement(line).name.lower() for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]}
    assert wanted <= set(pins), f"not pinned: {wanted - set(pins)}"
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        pinned = next(iter(pins[requirement.name.lower()].specifier)).version
        assert requirement.specifier.contains(pinned), f"{line} does not allow the pinned {pinned}"


def test_every_requirement_has_its_reason_in_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").lower()
    table = page[page.index("## dependencies") :]
    missing = [line for line in PROJECT["dependencies"] if f"| `{Requirement(line).name.lower()}`" not in table]
    assert not missing, missing
