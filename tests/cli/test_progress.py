"""Progress: every event has its line, and none breaks the display."""

from __future__ import annotations

from typing import Any

import pytest

from sonde.cli import progress
from sonde.cli.progress import Progress

START = {"event": "start", "time": 0.0, "steps_per_epoch": 10, "epochs": 2, "examples": 1257, "parameters": 1234}
STEP = {
    "event": "progress",
    "step": 5,
    "steps": 20,
    "epoch": 1,
    "epochs": 2,
    "loss": 0.25,
    "examples_per_second": 12345.6,
    "remaining_seconds": 3.0,
}
FOUND = {
    "event": "data",
    "origin": "houses.csv",
    "task": {"name": "classification", "targets": ["sold"], "reason": "'sold' has 2 distinct values", "flag": "--task"},
    "parts": {"train": 1257, "test": 270},
    "problems": [{"level": "warning", "where": f"row {row}", "found": "odd", "remedy": "look"} for row in range(6)]
    + [{"level": "error", "where": "row 9", "found": "broken", "remedy": "mend it"}],
    "notes": ["dates were sorted"],
}


def shown(capsys: pytest.CaptureFixture[str], *events: dict[str, Any], quiet: bool = False) -> str:
    with Progress(quiet=quiet) as listener:
        for event in events:
            listener(event)
    seen = capsys.readouterr()
    assert seen.out == ""
    return seen.err


def test_what_was_found_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, FOUND, START, FOUND, START).splitlines()
    assert lines[0] == "task: classification of sold: 'sold' has 2 distinct values (--task changes it)"
    assert lines[1] == "examples: train 1,257, test 270"
    assert lines[2:4] == ["error: row 9: broken", "  → mend it"]
    assert "… and 2 more: `sonde data houses.csv` lists them" in lines
    assert "note: dates were sorted" in lines
    assert lines[-2:] == ["1,234 parameters, 1,257 examples, 2 epochs of 10 steps"] * 2


def test_measures_and_messages(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate = {"event": "evaluate", "step": 10, "epoch": 1, "part": "validation", "metrics": {"accuracy": 0.9815, "loss": 0.0612}}
    text = shown(
        capsys, evaluate, {"event": "note", "message": "fold 1 of 5"}, {"event": "stop", "step": 3, "reason": "epochs", "message": ""}
    )
    assert text == "epoch 1  validation  accuracy 0.9815  loss 0.0612\nfold 1 of 5\n"


def test_long_trainings_and_final_measures_do_not_flood(capsys: pytest.CaptureFixture[str]) -> None:
    start = START | {"epochs": 100}
    events = [
        {"event": "evaluate", "step": 10 * epoch, "epoch": epoch, "part": "validation", "metrics": {"rmse": 1.0}} for epoch in range(1, 101)
    ]
    last = [events[-1], {**events[-1], "part": "test"}]
    lines = shown(capsys, start, *events, *last).splitlines()[1:]
    assert [int(line.split()[1]) for line in lines] == [1, *range(5, 101, 5)]


def test_trace_shows_every_number_of_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    trace = {
        "event": "trace", "step": 1, "inputs": [[1.5, -3.0]], "targets": [1], "logits": [-1.5], "output": [0], "loss": 1.5,
        "gradient": {"weight": [-1.5, 3.0]}, "weights": {"weight": [1.15, 0.7], "bias": [0.1]},
    }  # fmt: skip
    assert shown(capsys, trace) == (
        "step 1: inputs [[1.5, -3]] · targets [1] · logits [-1.5] · output [0] · loss 1.5 · gradient weight [-1.5, 3]"
        " · weights weight [1.15, 0.7] · weights bias [0.1]\n"
    )


def test_without_a_terminal_long_epochs_give_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(capsys, STEP) == ""
    monkeypatch.setattr(progress, "PAUSE", -1.0)
    assert shown(capsys, STEP) == "step 5/20  epoch 1/2  loss 0.2500  12,346 examples/s  3.0 s left\n"


def test_on_a_terminal_there_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "150")
    with Progress() as listener:
        listener(STEP)
        assert listener.bar is not None
        task = listener.bar.tasks[0]
        assert (task.completed, task.total) == (5, 20)
        listener({"event": "note", "message": "[bold]no markup[/bold]"})
    assert listener.bar is None
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "[bold]no markup[/bold]" in seen.err
    assert "epoch 1/2  loss 0.2500  12,346 examples/s" in seen.err


def test_quiet_and_other_processes_show_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    note = {"event": "note", "message": "hello"}
    assert shown(capsys, START, note, quiet=True) == ""
    monkeypatch.setenv("RANK", "3")
    assert shown(capsys, START, note) == ""


def test_events_without_words_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, {"event": "train", "step": 1, "loss": 1.0}, {"event": "scale", "step": 1, "layers": []}) == ""
