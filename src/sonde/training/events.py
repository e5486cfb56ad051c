"""What happens in a run, as plain values. Progress bars, plots and the report read them; the loop only emits."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Listener = Callable[[Event], None]


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numbers that are not finite become their names as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    number = float(value)
    return number if math.isfinite(number) else str(number)


class EventLog:
    """Appends events to a file, one JSON object a line, and tells listeners.

    `path` None keeps no file (a process that is not the main one). `progress` events are told and not kept.
    """

    def __init__(self, path: Path | None, listeners: Sequence[Listener] = ()) -> None:
        self.listeners = tuple(listeners)
        self.file = None if path is None else path.open("ab")

    def keep(self, event: Event) -> Event:
        """Write one event down without telling anyone."""
        event = plain(event)
        if self.file is not None and event["event"] != "progress":
            self.file.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
            self.file.flush()
        return event

    def emit(self, event: Event) -> None:
        """Keep and tell one event."""
        event = self.keep(event)
        for listener in self.listeners:
            listener(event)

    @property
    def length(self) -> int:
        """Bytes written so far; a checkpoint remembers them, so that a resume can cut the file there."""
        return 0 if self.file is None else self.file.tell()

    def truncate(self, length: int) -> None:
        """Forget what was written after `length` bytes."""
        if self.file is not None:
            self.file.truncate(length)
            self.file.seek(0, 2)

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()


class TextLog:
    """Writes down in words what a person would want to find again: log.txt."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Event) -> None:
        """One line for an event that matters; none for steps and progress."""
        line = self._line(event)
        if line is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def _line(self, event: Event) -> str | None:
        kind = event["event"]
        if kind == "start":
            return f"{event['examples']} examples, {event['parameters']} parameters, {event['epochs']} epochs of {event['steps_per_epoch']} steps"
        if kind in ("evaluate", "result"):
            values = "  ".join(
                f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}" for name, value in event["metrics"].items()
            )
            return f"{'result' if kind == 'result' else 'epoch ' + str(event['epoch'])}  {event['part']}  {values}"
        if kind == "stop":
            return f"stopped after step {event['step']}: {event['reason']} {event['message']}".rstrip()
        return str(event["message"]) if kind in ("note", "model") and "message" in event else None


def read_events(path: Path) -> list[Event]:
    """The events of a run; a last line that was cut short by a crash is left out."""
    events: list[Event] = []
    for line in path.read_bytes().splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events
