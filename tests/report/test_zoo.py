"""Trained models at a glance: every name can be read, stands near its dot, and is led to where it had to move."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.checker import check
from sonde.report.zoo import LINE, clear, write_zoo

LABELS = re.compile(r'<text x="([\d.]+)%" y="(-?[\d.]+)" dx="(-?)10" dy="4"(?: text-anchor="(end)")? class="remark">([^<]*)</text>')
HEIGHT = re.compile(r'<svg class="chart".*?style="height:([\d.]+)px;padding:14px 14px ([\d.]+)px')
NARROW, WIDE = 300, 800  # pixels of a chart on a telephone and on a large screen
LETTER = 7  # pixels of a letter of 12 pixels, about


def row(name: str, value: float, speed: float, parameters: int, *, best: bool = False) -> dict[str, Any]:
    return {
        "name": name, "run": name, "model": "resnet18", "value": value, "part": "test", "examples_per_second": speed, "parameters": parameters,
        "multiply_adds": 10**9, "inference": 10**8, "training": 40 * parameters, "best": best,
    }  # fmt: skip


def charts(rows: list[dict[str, Any]], folder: Path) -> list[str]:
    found = {"metric": "accuracy", "better": "higher", "batch": 64, "processor": "p", "threads": 2, "rows": rows}
    page = write_zoo(found, folder / "models.html").read_text(encoding="utf-8")
    check(page)
    return re.findall(r'<svg class="chart".*?</figure>', page, flags=re.DOTALL)


def boxes(drawing: str, width: float) -> list[tuple[str, float, float, float]]:
    """Name, left and right end and height of all names on a chart `width` pixels wide."""
    found = []
    for x, y, sign, anchor, name in LABELS.findall(drawing):
        at, long = float(x) / 100 * width, LETTER * len(name)
        assert (sign == "-") == (anchor == "end")
        left = at - 10 - long if anchor else at + 10
        found.append((name, left, left + long, float(y)))
    return found


def all_can_be_read(drawing: str, names: list[str]) -> None:
    found = HEIGHT.search(drawing)
    assert found
    height = float(found[1]) - 14 - float(found[2])
    for width in (NARROW, WIDE):
        seen = boxes(drawing, width)
        assert sorted(name for name, *_ in seen) == sorted(names)
        assert all(-0.01 <= y <= height - 9 + 0.01 for *_, y in seen)
        for (_, left, right, high), (_, other_left, other_right, other) in combinations(seen, 2):
            assert right <= other_left or other_right <= left or abs(high - other) > LINE - 0.02  # places have two decimals


def test_many_alike_at_the_bottom(tmp_path: Path) -> None:
    rows = [row(f"cifar10-resnet{18 + i}-wide-{i}", 0.5 + 0.004 * i, 900 + 20 * i, 11_000_000 + i, best=i == 11) for i in range(12)]
    rows.append(row("good", 0.95, 100, 11_000_000, best=True))
    for drawing in charts(rows, tmp_path):
        all_can_be_read(drawing, [each["name"] for each in rows])
        assert drawing.count('class="line faint s7"') >= 10  # lines lead to those that moved


def test_a_name_alone_stands_at_its_dot(tmp_path: Path) -> None:
    for drawing in charts([row("low", 0.1, 10, 10_000), row("high", 0.9, 90_000, 10_000_000)], tmp_path):
        dots = {float(y) for y in re.findall(r'<circle class="fill [^"]*" cx="[\d.]+%" cy="([\d.]+)"', drawing)}
        assert {y for *_, y in boxes(drawing, WIDE)} <= dots
        assert 'class="line faint s7"' not in drawing


@pytest.mark.parametrize("many", [1, 17, 40])
def test_a_chart_has_room_for_all_names(many: int, tmp_path: Path) -> None:
    rows = [row(f"run-with-a-long-name-{i:04d}", 0.5, 1000, 1_000_000) for i in range(many)]
    for drawing in charts(rows, tmp_path):
        all_can_be_read(drawing, [each["name"] for each in rows])


values = st.tuples(st.integers(0, 1000).map(lambda part: part / 1000), st.floats(1, 1e6), st.integers(1000, 10**9))


@given(points=st.lists(values, min_size=1, max_size=25), data=st.data())
def test_no_two_names_overlap(points: list[tuple[float, float, int]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = [row("r" * data.draw(st.integers(1, 24)) + f"-{i}", *point) for i, point in enumerate(points)]
    for drawing in charts(rows, tmp_path_factory.mktemp("zoo")):
        all_can_be_read(drawing, [each["name"] for each in rows])


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 700), st.floats(-20, 400)), max_size=25))
def test_lines_are_cleared_within_their_room(lines: list[tuple[float, float, float]]) -> None:
    spans = [(left, left + wide) for left, wide, _ in lines]
    wanted = [high for *_, high in lines]
    heights = clear(spans, wanted, top=0, bottom=LINE * 25)
    assert all(-1e-6 <= high <= LINE * 25 for high in heights)
    for one, other in combinations(range(len(lines)), 2):
        if spans[one][0] <= spans[other][1] and spans[other][0] <= spans[one][1]:
            assert abs(heights[one] - heights[other]) >= LINE - 1e-6
            assert wanted[one] == wanted[other] or (wanted[one] < wanted[other]) == (heights[one] < heights[other])
