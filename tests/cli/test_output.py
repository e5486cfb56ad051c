"""What commands print: strict JSON for scripts, readable numbers for people."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonde.cli.output import Answer, duration, encode, number, say, table


def test_document_is_strict_json() -> None:
    value = {"a": math.nan, "b": (1, 2.5, None, True), "c": Path("x/y"), "d": np.float32(0.5), "e": np.arange(2), 3: "ü", "f": math.inf}
    assert json.loads(encode(value)) == {"a": None, "b": [1, 2.5, None, True], "c": "x/y", "d": 0.5, "e": [0, 1], "3": "ü", "f": None}


def test_answer_prints_text_or_document(capsys: pytest.CaptureFixture[str]) -> None:
    Answer({"a": 1}, "one").write()
    assert capsys.readouterr().out == "one\n"
    Answer({"a": 1}, "one", json=True).write()
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_only_the_first_process_speaks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    Answer({}, "text").write()
    say("hello")
    monkeypatch.setenv("RANK", "0")
    say("hello")
    say("hush", quiet=True)
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98148, "0.9815"), (0.0, "0.0000"), (1.2e-7, "1.20e-07"), (50312.4, "50,312"), (12.3456, "12.35"), (1797, "1,797"),
        (None, "–"), ("a", "a"), (math.nan, "nan"), (True, "yes"),
    ],
)  # fmt: skip
def test_numbers(value: Any, text: str) -> None:
    assert number(value) == text


def test_table_puts_numbers_to_the_right() -> None:
    assert table([("a", 1.5, None), ("long", 20.25, 3)], ("name", "x", "n")) == "name       x  n\na     1.5000  –\nlong   20.25  3"
    assert table([], ("name", "x")) == "name  x"


@pytest.mark.parametrize(("seconds", "text"), [(0.84, "0.8 s"), (42.2, "42 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
