"""`sonde verify --graph`: values, gradients, the picture, and what is said of formulas that cannot be."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from sonde.cli.main import main
from sonde.errors import UsageError
from sonde.verify import expression


def test_value_and_gradients() -> None:
    drawn = expression.draw("sum((x*w - y)**2)", expression.values(("x=1,2", "w=3,-1", "y=0.5")))
    x, w = np.array([1.0, 2]), np.array([3.0, -1])
    assert drawn.value == np.sum((x * w - 0.5) ** 2)
    assert drawn.gradients == {"x": (2 * (x * w - 0.5) * w).tolist(), "w": (2 * (x * w - 0.5) * x).tolist(), "y": -2 * np.sum(x * w - 0.5)}
    assert ElementTree.fromstring(drawn.svg).tag.endswith("svg")
    assert "multiply" in drawn.svg


def test_names_without_a_value_are_one() -> None:
    assert expression.draw("2*a + b", {}).value == 3


@pytest.mark.parametrize(
    ("formula", "at", "message"),
    [
        ("sum((x*w", (), "was never closed"),
        ("open('x')", (), "is not understood"),
        ("x.__class__", (), "is not understood"),
        ("x*w", ("x=1,2", "w=1,2,3"), "multiply"),
        ("x*w", ("x=1,2",), "no scalar"),
        ("x*w", ("z=1",), "no symbol 'z'"),
        ("x", ("x=a",), "'x=a' is not a name and its numbers"),
    ],
)
def test_formulas_that_cannot_be(formula: str, at: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as found:
        expression.draw(formula, expression.values(at))
    assert message in str(found.value)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "g.svg"
    assert main(["verify", "--graph", "(x*w)**2", "--at", "x=2", "--at", "w=3", "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["value"] == 36 and answer["gradients"] == {"x": 36.0, "w": 24.0} and out.exists()
    (tmp_path / "file").write_text("")
    assert main(["verify", "--graph", "x", "--out", str(tmp_path / "file" / "g.svg")]) == 2
    assert "the picture cannot be written" in capsys.readouterr().err
    assert main(["verify", "dense", "--graph", "x"]) == 2
    assert "--graph goes alone" in capsys.readouterr().err
    assert main(["verify", "--at", "x=1"]) == 2
    assert "--at gives values to an expression" in capsys.readouterr().err
