"""The picture of a graph: well-formed, every node in it, values and gradients readable."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from sonde.scratch.draw import svg
from sonde.scratch.graph import Graph, parse
from sonde.scratch.tensor import Tensor

SVG = "{http://www.w3.org/2000/svg}"


def picture(output: Tensor) -> tuple[ElementTree.Element, list[list[str]]]:
    root = ElementTree.fromstring(svg(output))
    return root, [[text.text or "" for text in group.iter(f"{SVG}text")] for group in root.findall(f"{SVG}g")]


def test_values_and_gradients_at_each_node() -> None:
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="w")
    _, boxes = picture(Graph(parse("sum((X @ w - y) ** 2)")).run({"X": np.ones((3, 2)), "w": w, "y": np.zeros(3)}))
    assert ["w", "float64 (2,)", "1 2", "∂ 18 18"] in boxes
    assert ["X", "float64 (3, 2)", "1 … 1"] in boxes
    assert ["sum", "float64 ()", "27", "∂ 1"] in boxes
    assert len(boxes) == 8


def test_arrows_lead_from_inputs_to_results() -> None:
    x = Tensor(np.ones(2), requires_grad=True, name="<x>")
    root, boxes = picture((x * x + x).exp())
    assert len(root.findall(f"{SVG}path")) == 5 and boxes[0][0] == "<x>"
    for path in root.findall(f"{SVG}path"):
        start, end = re.match(r"M([\d.]+),.* ([\d.]+),[\d.]+$", path.get("d") or "").groups()  # type: ignore[union-attr]
        assert float(start) < float(end)
    places = [(rect.get("x"), rect.get("y")) for rect in root.iter(f"{SVG}rect")]
    assert len(set(places)) == len(places) == 4
    assert root.get("role") == "img" and root.find(f"{SVG}title") is not None


def test_a_graph_without_values() -> None:
    _, boxes = picture(parse("exp(a) * 2"))
    assert ["a"] in boxes and ["exp"] in boxes and ["multiply ×"] in boxes


def test_one_node_and_none_recorded() -> None:
    assert len(picture(Tensor(np.ones((0, 3))))[1]) == 1
    assert picture(Tensor(np.ones((0, 3))))[1] == [["constant", "float64 (0, 3)", "empty"]]
