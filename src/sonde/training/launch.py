"""Start N processes on this machine, one of them per device, and pass on what the first one says.

The same entry, `python -m sonde.fit`, that these run is what `torchrun` starts on many machines through the command.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from sonde.errors import Interrupted, SondeError, TrainingError
from sonde.training.events import Listener
from sonde.training.interrupt import passing_on


def launch(arguments: Sequence[str], *, processes: int, listen: Sequence[Listener]) -> dict[str, object]:
    """Run `python -m sonde.fit` on `processes` processes; the last thing that the first one says.

    Events arrive as JSON lines on the first process's standard output. A signal to this process is passed on to all,
    which save and stop. Raises TrainingError where a process ends badly.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes), "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", "sonde.fit", *arguments]
    children = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
            stderr=None if rank == 0 else subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        for rank in range(processes)
    ]
    said: dict[str, object] = {}
    with passing_on(children):
        try:
            said = _relay(children, listen)
        finally:
            codes = _end(children, patient=bool(said) and "error" not in said)
    if "error" in said:
        raise _error(said)
    if any(codes):
        raise TrainingError(
            f"a training process ended with code {next(code for code in codes if code)}",
            remedy="run with --processes 1 to see what it says",
        )
    return said


def _relay(children: list[subprocess.Popen[str]], listen: Sequence[Listener]) -> dict[str, object]:
    """Tell listeners what the first process emits; its last word."""
    last: dict[str, object] = {}
    stream = children[0].stdout
    assert stream is not None
    with stream:
        for line in stream:
            message = json.loads(line)
            if message.get("event") in ("done", "error"):
                last = message
            else:
                for listener in listen:
                    listener(message)
    return last


def _end(children: list[subprocess.Popen[str]], *, patient: bool) -> list[int]:
    """Exit codes once all have ended. When the first one failed, the others wait for it in vain: they are stopped."""
    for child in children:
        if child.poll() is None and not patient:
            child.terminate()
    codes = []
    for child in children:
        try:
            codes.append(child.wait(timeout=None if patient else 10))
        except subprocess.TimeoutExpired:
            child.kill()
            codes.append(child.wait())
    return codes


def _error(said: dict[str, object]) -> SondeError:
    error = said["error"]
    assert isinstance(error, dict)
    kind = Interrupted if error["exit_code"] == Interrupted.exit_code else TrainingError
    return kind(error["what"], where=error["where"], remedy=error["remedy"])
