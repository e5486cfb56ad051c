"""Drawings: what stands where, what is left out, and what is said in words."""

from __future__ import annotations

import json
import math
import re
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.checker import Page, check
from sonde.report.bars import Bar, Dots, bars, dot_rows, histogram, mini_histogram, strip
from sonde.report.field import below, clip, heat_map, regions, surface, thresholds
from sonde.report.html import Markup
from sonde.report.lines import Line, Mark, Zone, line_chart, smooth, sparkline, thin
from sonde.report.matrix import confusion
from sonde.report.points import calibration, scatter, spread_out


def drawn(source: Markup) -> Page:
    page = check(source)
    assert page.tags, "nothing was drawn"
    return page


def paths(page: Page, kind: str) -> list[str]:
    return [str(values["d"]) for name, values in page.tags if name == "path" and kind in str(values.get("class")).split()]


def test_line_chart_has_axes_legend_words_and_values_to_read() -> None:
    lines = [
        Line("training", [(0.0, 1.0), (1.0, 0.5), (2.0, 0.25)], "training"),
        Line("validation", [(0.0, 1.1), (2.0, 0.6)], "validation"),
    ]
    source = line_chart("Loss", lines, x_label="epoch", marks=[Mark(2.0, 0.6, "best")], note="small is good")
    page = drawn(source)
    assert page.count("svg", kind="chart", role="img") == 1
    assert len(paths(page, "line")) == 2 + 2  # two lines and two swatches
    assert "best" in page.text
    assert "small is good" in page.text
    label = next(str(values["aria-label"]) for name, values in page.tags if values.get("role") == "img")
    assert "training: 1 at first, 0.25 at last, between 0.25 and 1" in label
    hover = json.loads(next(str(values["data-hover"]) for _, values in page.tags if values.get("data-hover")))
    assert hover["lines"][1] == ["validation", [[0, 1.1], [2, 0.6]]]


def test_lines_break_where_a_value_is_missing() -> None:
    line = Line(
        "loss", [(0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, math.nan), (4.0, 3.0), (5.0, math.inf), (6.0, 1.0), (7.0, 2.0)], "training"
    )
    page = drawn(line_chart("Loss", [line]))
    chart = paths(page, "training")[1:]  # the first one is the swatch
    assert len(chart) == 3
    assert chart[1].endswith("h0"), "a point between gaps is a dot"


@pytest.mark.parametrize("points", [[], [(0.0, None)], [(0.0, math.nan), (1.0, math.inf)]])
def test_nothing_to_draw_is_an_empty_text(points: list[tuple[float, float | None]]) -> None:
    assert line_chart("Loss", [Line("x", points, "training")]) == ""
    assert sparkline([None, math.nan], title="x") == ""


def test_one_point_is_a_dot() -> None:
    for log in (False, True):
        page = drawn(line_chart("Loss", [Line("x", [(3.0, 7.0)], "training")], log=log))
        assert paths(page, "dots")


def test_bands_zones_dates_and_names() -> None:
    line = Line("mean", [(1.0, 10.0), (10.0, 20.0), (100.0, 15.0)], "s1", spread=[1.0, None, 2.0])
    page = drawn(line_chart("a", [line], log_x=True, zones=[Zone(5, 30, "healthy")], since=10.0))
    assert page.count("path", kind="band") == 1
    assert page.count("rect", kind="zone") == 2
    assert "unseen from here" in page.text
    days = [(float(date(2021, 1, day).toordinal()), float(day)) for day in range(1, 20)]
    assert "11 Jan" in drawn(line_chart("b", [Line("", days, "s0")], days=True)).text
    assert "conv1" in drawn(line_chart("c", [Line("", [(0.0, 1.0), (1.0, 2.0)], "s0")], x_names=["conv1", "dense"])).text


def test_a_logarithmic_axis_skips_what_it_cannot_show() -> None:
    page = drawn(line_chart("a", [Line("x", [(0.0, 0.0), (1.0, 1e-9), (2.0, -5.0), (3.0, 1e9)], "s0")], log=True))
    assert all(d.endswith("h0") for d in paths(page, "s0")[1:])


def test_thinning_keeps_the_extremes_and_the_gaps() -> None:
    points: list[tuple[float, float | None]] = [(float(x), math.sin(x / 50)) for x in range(10_000)]
    points[4321] = (4321.0, 99.0)
    points[7000] = (7000.0, None)
    kept = thin(points, 300)
    assert len(kept) < 400
    assert (4321.0, 99.0) in kept
    assert (7000.0, None) in kept
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    assert thin(points[:10], 300) == points[:10]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(0, 20))
def test_running_mean_by_its_definition(values: list[float], width: int) -> None:
    smoothed = smooth([(float(x), y) for x, y in enumerate(values)], width)
    for index, (_, mean) in enumerate(smoothed):
        side = min(width // 2, index, len(values) - 1 - index)
        near = values[index - side : index + side + 1]
        assert mean == pytest.approx(sum(near) / len(near), abs=1e-6)


def test_bars_are_a_table_with_whiskers() -> None:
    rows = [Bar("a<b>", [(3.0, "training"), (1.0, "test")], "4"), Bar("y", [(-1.0, "training")], "−1", spread=0.5)]
    page = drawn(bars("Sizes", rows, legend_of=[("training", "training")]))
    assert page.count("table", kind="bars") == 1
    assert page.count("rect", kind="fill") == 3
    assert page.count("line", kind="whisker") == 1
    assert "a<b>" in page.text
    assert bars("none", []) == ""


def test_bars_without_length() -> None:
    assert drawn(bars("zero", [Bar("a", [(0.0, "training")], "0")]))


def test_histograms() -> None:
    page = drawn(histogram("h", [0.0, 1.0, 2.0, 4.0], [3, 1, 0], at=(1.0, "here")))
    assert page.count("rect", kind="fill") == 3
    assert "here" in page.text
    assert histogram("h", [0.0, 1.0], [1, 2]) == ""
    assert histogram("h", [1.0, 1.0], [1]) == ""
    assert mini_histogram([0, 0], title="t") == ""
    assert drawn(mini_histogram([1, 0, 5], title="t")).count("rect") == 2


def test_strip_shares_add_up() -> None:
    page = drawn(strip([("prepare", 1.0, "1 s"), ("train", 3.0, "3 s"), ("none", 0.0, "0 s")], title="Time"))
    widths = [float(str(values["width"]).rstrip("%")) for name, values in page.tags if name == "rect"]
    assert widths == pytest.approx([24.8, 74.8])
    assert strip([], title="Time") == ""


def test_dot_rows() -> None:
    page = drawn(
        dot_rows("errors", [Dots("a", [("training", "training", 0.1), ("test", "test", 0.3)]), Dots("b", [("training", "training", 0.2)])])
    )
    assert page.count("circle", kind="ring") == 3
    assert dot_rows("errors", []) == ""


def test_confusion_of_few_classes_shows_every_number() -> None:
    page = drawn(confusion(["cat", "<script>"], [[8, 2], [0, 5]]))
    assert page.count("td", kind="right") == 2
    assert page.count("td", kind="wrong") == 2
    assert page.count("td", kind="none") == 1
    assert "80 %" in page.text
    assert "true cat, predicted <script>: 2 of 10, 20.0 %" in [values.get("title") for _, values in page.tags]


def test_confusion_of_forty_classes_is_a_map() -> None:
    counts = [[5 if row == column else 0 for column in range(40)] for row in range(40)]
    counts[3][7] = 4
    page = drawn(confusion([f"class {index}" for index in range(40)], counts))
    assert page.count("svg", kind="map", role="img") == 1
    assert page.count("rect", kind="fill") == 41
    assert "class 3" in page.text


def test_confusion_of_a_thousand_classes_lists_the_commonest() -> None:
    counts = [[0] * 1000 for _ in range(1000)]
    for row in range(1000):
        counts[row][row], counts[row][(row * 7 + 1) % 1000] = 9, row % 5
    source = confusion([f"class {index}" for index in range(1000)], counts)
    page = drawn(source)
    assert page.count("svg", kind="map") == 0
    assert page.count("table") == 2
    assert len(source) < 30_000


@pytest.mark.parametrize(("classes", "counts"), [([], []), (["a"], [[1]]), (["a", "b"], [[1, 2]]), (["a", "b"], [[1], [2]])])
def test_a_confusion_that_does_not_fit_is_left_out(classes: list[str], counts: list[list[float]]) -> None:
    assert confusion(classes, counts) == ""


def test_a_class_without_examples() -> None:
    assert "–" in drawn(confusion(["a", "b"], [[0, 0], [1, 3]])).text


def test_calibration_dots_grow_with_their_count() -> None:
    page = drawn(calibration("c", [(0.5, 0.4, 1.0), (0.9, 0.95, 100.0)]))
    radii = [float(str(values["r"])) for name, values in page.tags if name == "circle"]
    assert radii == pytest.approx([3.7, 10.0])
    assert calibration("c", []) == ""


def test_scatter_thins_evenly() -> None:
    points = [(float(index), float(index)) for index in range(10_000)]
    assert spread_out(points, 1500)[::500] == [points[index * 10_000 // 1500] for index in (0, 500, 1000)]
    source = scatter("s", points, x_label="truth", y_label="prediction", diagonal=True)
    assert drawn(source).count("path", kind="point") == 1
    assert len(source) < 40_000
    assert scatter("s", [], x_label="a", y_label="b") == ""
    assert "10,000" in scatter("s", [(1.0, 2.0), (10_000.0, 9_000.0)], x_label="a", y_label="b", diagonal=True, log=True)


def area(polygon: list[tuple[float, float]]) -> float:
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True))) / 2


@given(st.floats(0.05, 1.95))
def test_contours_of_a_plane_are_exact(level: float) -> None:
    """Where the values are x + y on the unit square, the part below a level has the area of a triangle or its rest."""
    axis = [index / 4 for index in range(5)]
    polygons = below(axis, axis, [[x + y for x in axis] for y in axis], level)
    expected = level**2 / 2 if level <= 1 else 1 - (2 - level) ** 2 / 2
    assert sum(area(polygon) for polygon in polygons) == pytest.approx(expected, abs=1e-9)


def test_clip_cuts_between_the_corners() -> None:
    square = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 2.0), (0.0, 1.0, 2.0)]
    assert clip(square, 1.0) == [(0.0, 0.5), (0.0, 0.0), (1.0, 0.0), (1.0, 0.5)]
    assert clip(square, -1.0) == []


def test_levels_are_ratios_where_values_span_much() -> None:
    levels = thresholds([1.0, 1000.0])
    assert [b / a for a, b in pairwise(levels)] == pytest.approx([1000 ** (1 / 11)] * 9)
    assert thresholds([0.0, 11.0]) == pytest.approx(list(range(1, 11)))


def test_surface_with_its_path() -> None:
    axis = [index / 10 for index in range(-10, 11)]
    values: list[list[float | None]] = [[x * x + y * y for x in axis] for y in axis]
    values[0][0] = None
    page = drawn(surface("s", axis, axis, values, walk=[(-0.8, 0.8), (0.2, 0.1), (0.0, 0.0)], x_label="w", y_label="b"))
    assert page.count("path", kind="contour") == 10
    assert page.count("circle", kind="walk-start") == page.count("circle", kind="walk-end") == 1
    assert drawn(surface("flat", [0.0, 1.0], [0.0, 1.0], [[1.0, 1.0], [1.0, 1.0]]))
    assert surface("s", [0.0], [0.0], [[1.0]]) == ""
    assert surface("s", [0.0, 1.0], [0.0, 1.0], [[None, None], [None, None]]) == ""


def test_regions_cover_the_plane_once() -> None:
    axis = [0.0, 1.0, 2.0, 3.0]
    cells = [[int(x + y > 3) for x in axis] for y in axis]
    page = drawn(regions("r", axis, axis, cells, classes=["no", "yes"], points=[(1.0, 1.0, 0), (2.5, 2.5, 1), (9.0, 9.0, 1)]))
    boxes = [
        [tuple(map(float, corner.split())) for corner in box.strip("MZ").split("L")]
        for d in paths(page, "region")
        for box in re.findall(r"M[^M]*Z", d)
    ]
    assert sum(area(box) for box in boxes) == pytest.approx(1000 * 300)  # type: ignore[arg-type]
    assert len(paths(page, "halo")) == 2
    assert regions("r", axis, axis, [[0]], classes=["a"]) == ""


def test_heat_map() -> None:
    page = drawn(heat_map("h", ["a", "b"], ["1", "2", "3"], [[1.0, None, 2.0], [0.0, 4.0, 100.0]], log=True))
    assert page.count("rect", kind="fill") == 4
    assert heat_map("h", ["a"], ["1"], [[None]]) == ""


def test_sparkline() -> None:
    assert drawn(sparkline([1.0, None, 3.0, 2.0], title="loss")).count("path", kind="line") == 1
