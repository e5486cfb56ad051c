"""Ctrl-C and SIGTERM ask the loop to save and stop; a second Ctrl-C stops at once."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Request:
    """Whether someone has asked to stop, and how."""

    signal: str | None = None


@contextmanager
def watching() -> Iterator[Request]:
    """Catch SIGINT and SIGTERM while training. Outside the main thread signals cannot be caught: then nothing is asked."""
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if request.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = signal.Signals(number).name

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def passing_on(children: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    """While training in child processes: SIGINT and SIGTERM become a SIGTERM to each child, which saves and stops."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(number: int, frame: FrameType | None) -> None:
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
