"""What was found in the data, in short: the inferred task and why, the parts, what is wrong. Reads data.json's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sonde.cli.output import number

SHOWN = 5  # problems in full


def lines(found: Mapping[str, Any], *, shown: int = SHOWN) -> list[str]:
    """A few lines for people."""
    text = []
    task = found.get("task") or {}
    if task:
        targets = f" of {', '.join(task['targets'])}" if task.get("targets") else ""
        change = f" ({_flag(task['flag'])} changes it)" if task.get("flag") else ""
        text.append(f"task: {task['name']}{targets}: {task['reason']}{change}")
    parts = found.get("parts") or {}
    if parts:
        text.append("examples: " + ", ".join(f"{name} {number(count)}" for name, count in parts.items()))
    return text + problems(found, shown=shown)


def problems(found: Mapping[str, Any], *, shown: int = SHOWN) -> list[str]:
    """The problems, the worst first; the first `shown` in full."""
    order = {"error": 0, "warning": 1, "note": 2}
    listed = sorted(found.get("problems") or [], key=lambda problem: order.get(problem["level"], 3))
    text = [f"{problem['level']}: {problem['where']}: {problem['found']}\n  → {problem['remedy']}" for problem in listed[:shown]]
    if len(listed) > shown:
        text.append(f"… and {number(len(listed) - shown)} more: `sonde data {found.get('origin') or 'PATH'}` lists them")
    return text + [f"note: {note}" for note in (found.get("notes") or [])[:shown]]


def _flag(name: str) -> str:
    return name if name.startswith("-") else f"--{name}"
