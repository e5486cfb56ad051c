"""docs/commands.md and the commands say the same: every flag that one has, the other has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sonde.cli.main import COMMANDS, main

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
COMMON = {"--json", "--quiet", "--debug", "--help", "--version"}
FLAG = re.compile(r"--[a-z][a-z-]*")


def sections() -> dict[str, str]:
    parts = re.split(r"^## sonde ([a-z]+).*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table_flags(section: str) -> set[str]:
    """The flags in the first column of the section's tables."""
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `--")]
    return {flag for cell in cells for flag in FLAG.findall(cell)} | ({"--set"} if "`--set classes=100` counts" in section else set())


def test_every_command_has_its_section_in_order() -> None:
    assert list(sections()) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_those_of_the_help(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert main([name, "--help"]) == 0
    lines = [line.strip().partition(":")[0] for line in capsys.readouterr().out.splitlines() if line.strip().startswith("--")]
    offered = {flag for line in lines for flag in FLAG.findall(line)}
    offered = {flag for flag in offered if not (flag.startswith("--no-") and "--" + flag[5:] in offered)}
    assert table_flags(sections()[name]) == offered - COMMON


def test_common_flags_and_exit_codes_are_told() -> None:
    head = PAGE.read_text(encoding="utf-8").partition("## sonde")[0]
    assert {"--json", "--quiet", "--debug", "--help"} <= set(FLAG.findall(head))
    assert re.findall(r"^\| (\d+) \|", head, flags=re.MULTILINE) == ["0", "1", "2", "70", "130", "141"]
