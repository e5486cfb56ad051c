"""Progress on the terminal: reads the run's events and shows them; lines instead of a bar where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sonde.cli import findings
from sonde.cli.output import duration, first_process, number, say
from sonde.report.numbers import plural

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PAUSE = 10.0  # seconds between lines where there is no terminal
LINES = 20  # epochs of which a long training tells the measures, or a few more


class Progress:
    """A listener for `fit`: call it with each event, `close` it at the end. With `quiet` it shows nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet or not first_process()
        self.bar: Bar | None = None
        self.spoke = time.monotonic()
        self.told = False
        self.epochs = 0
        self.evaluated = -1

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show one event."""
        if self.quiet:
            return
        show = {"data": self._data, "start": self._start, "progress": self._progress, "evaluate": self._evaluate, "trace": self._trace}.get(
            event["event"]
        )
        if show is not None:
            show(event)
        elif event.get("message"):
            self.line(str(event["message"]))

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def line(self, text: str) -> None:
        """One line, above the bar where there is one."""
        if self.bar is None:
            say(text, quiet=self.quiet)
        else:
            self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _data(self, event: Mapping[str, Any]) -> None:
        if not self.told:  # the folds of one run have the same data
            self.told = True
            for text in findings.lines(event):
                self.line(text)

    def _start(self, event: Mapping[str, Any]) -> None:
        self.epochs, self.evaluated, self.spoke = event["epochs"], -1, time.monotonic()
        text = f"{plural(event['parameters'], 'parameter')}, {plural(event['examples'], 'example')}"
        if self.epochs:  # none where a model is solved and not stepped
            text += f", {plural(self.epochs, 'epoch')} of {plural(event['steps_per_epoch'], 'step')}"
        self.line(text)

    def _progress(self, event: Mapping[str, Any]) -> None:
        text = f"epoch {event['epoch']}/{event['epochs']}  loss {number(event['loss'])}  {number(round(event['examples_per_second']))} examples/s"
        if sys.stderr.isatty():
            self.bar = self.bar or _bar()
            self.bar.update(self.bar.task_ids[0], completed=event["step"], total=event["steps"], text=text)
        elif time.monotonic() - self.spoke > PAUSE:
            self.spoke = time.monotonic()
            self.line(f"step {event['step']:,}/{event['steps']:,}  {text}  {duration(event['remaining_seconds'])} left")

    def _evaluate(self, event: Mapping[str, Any]) -> None:
        """Of a long training about twenty epochs; the final measures, which the closing block has, not again."""
        epoch, sparse = event["epoch"], max(1, self.epochs // LINES)
        if event["part"] != "validation" or event["step"] == self.evaluated or (epoch % sparse and epoch != 1):
            return
        self.evaluated, self.spoke = event["step"], time.monotonic()
        self.line(f"epoch {number(epoch)}  {event['part']}  {measures(event['metrics'])}")

    def _trace(self, event: Mapping[str, Any]) -> None:
        parts = [f"{key} {_numbers(event[key])}" for key in ("inputs", "targets", "logits", "output", "loss") if event.get(key) is not None]
        for key in ("gradient", "weights"):
            parts += [f"{key} {name} {_numbers(value)}" for name, value in (event.get(key) or {}).items()]
        self.line(f"step {event['step']}: " + " · ".join(parts))


def measures(values: Mapping[str, Any]) -> str:
    """Measures in one line: `accuracy 0.9815  loss 0.0612`."""
    return "  ".join(f"{name} {number(value)}" for name, value in values.items())


def _numbers(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_numbers(item) for item in value) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    # what others print meanwhile stays as it is: standard output may be a document
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    bar = Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)
    bar.add_task("", total=None, text="")
    bar.start()
    return bar
