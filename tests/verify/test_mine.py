"""Homework that marks itself: right, wrong, and broken files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sonde import verify
from sonde.cli.main import main
from sonde.errors import UsageError
from sonde.verify.mine import Marked, mark

NUMPY = """
import numpy as np

def conv2d(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    n, c, h, w = x.shape
    o, cg, kh, kw = weight.shape
    rows = (h - dilation * (kh - 1) - 1) // stride + 1
    columns = (w - dilation * (kw - 1) - 1) // stride + 1
    y = np.zeros((n, o, rows, columns))
    for g in range(groups):
        own = slice(g * o // groups, (g + 1) * o // groups)
        for a in range(kh):
            for b in range(kw):
                seen = x[:, g * cg:(g + 1) * cg, a * dilation:, b * dilation:][:, :, : rows * stride : stride, : columns * stride : stride]
                y[:, own] += np.einsum("nchw,oc->nohw", seen, weight[own, :, a, b])
    return y + bias[:, None, None]
"""
TORCH = "import torch\n\ndef layer_norm(x, weight, bias):\n    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias)\n"

SOFTMAX = """
import numpy as np

def softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True, initial=-1e30))
    return e / e.sum(-1, keepdims=True)
"""
BACKWARD = """
def softmax_backward(gradient, scores):
    p = softmax(scores)
    return {"scores": p * gradient}
"""


def _mark(tmp_path: Path, name: str, text: str) -> Marked:
    file = tmp_path / "my.py"
    file.write_text(text)
    return mark(name, verify.twins(name), file)


def test_a_right_numpy_function(tmp_path: Path) -> None:
    marked = _mark(tmp_path, "conv2d", NUMPY)
    assert marked.passed, marked.first
    assert any("gradient (central differences)" in each for each in marked.checked)


def test_a_right_torch_function(tmp_path: Path) -> None:
    marked = _mark(tmp_path, "layer-norm", TORCH)
    assert marked.passed, marked.first
    assert all("gradient (autograd)" in each for each in marked.checked)


def test_where_it_first_differs(tmp_path: Path) -> None:
    marked = _mark(tmp_path, "conv2d", NUMPY.replace("dilation * (kh - 1)", "1 * (kh - 1)").replace("a * dilation:", "a * 1:"))
    assert not marked.passed and marked.first is not None
    assert marked.first.startswith("odd sizes, dilation (x (2, 1, 9, 10)")
    wrong = _mark(tmp_path, "conv2d", NUMPY.replace("bias[:, None, None]", "bias[:, None, None] * (y != y.min())"))
    assert wrong.first is not None
    assert wrong.first.startswith("plain (x (4, 3, 9, 10), weight (5, 3, 3, 3), bias (5,)): the value at [")
    assert ", and should be " in wrong.first


def test_a_wrong_backward(tmp_path: Path) -> None:
    assert _mark(tmp_path, "softmax", SOFTMAX).passed
    marked = _mark(tmp_path, "softmax", SOFTMAX + BACKWARD)
    assert marked.first is not None and "the gradient of scores at [0, 0]" in marked.first
    right = BACKWARD.replace("p * gradient", "p * (gradient - (p * gradient).sum(-1, keepdims=True))")
    assert _mark(tmp_path, "softmax", SOFTMAX + right).passed


def test_a_gradient_that_autograd_cannot_see(tmp_path: Path) -> None:
    marked = _mark(tmp_path, "layer-norm", TORCH.replace("(x, weight.shape", "(x.detach(), weight.shape"))
    assert marked.first is not None and "the gradient of x" in marked.first


def test_a_function_that_fails(tmp_path: Path) -> None:
    marked = _mark(tmp_path, "dense", "def dense(x, weight, bias):\n    return x @ weight + bias\n")
    assert marked.first is not None
    assert marked.first.startswith("batch 64 (x (64, 30), weight (20, 30), bias (20,)): ValueError: matmul")
    assert marked.first.endswith("my.py:2)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def other(x):\n    return x\n", "the file has no function dense"),
        ("import nothing_of_the_kind\n", "the file does not run: ModuleNotFoundError"),
        ("def dense(:\n", "the file does not run: SyntaxError"),
    ],
)
def test_files_that_cannot_be_marked(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as found:
        _mark(tmp_path, "dense", text)
    assert "my.py" in str(found.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        mark("dense", verify.twins("dense"), tmp_path / "none.py")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.py"
    file.write_text(TORCH)
    assert main(["verify", "layer-norm", "--mine", str(file)]) == 0
    assert "agrees with layer-norm on all 4 cases" in capsys.readouterr().out
    file.write_text(TORCH.replace("weight, bias)\n", "weight)\n"))
    assert main(["verify", "layer-norm", "--mine", str(file), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["passed"] and "should be" in answer["first_difference"]
    assert main(["verify", "--mine", str(file)]) == 2
    assert "--mine is checked against one pair" in capsys.readouterr().err


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "dense", "softmax"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 pairs are equal" in shown and "gradient f64" in shown
    assert main(["verify", "densse"]) == 2
    assert "dense" in capsys.readouterr().err
