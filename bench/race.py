"""Starts contenders, each in a process of its own, and lets them run one epoch at a time in turn.

A process that waits for its turn sleeps, so that the one that runs has the machine to itself.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.machine import ROOT, environment
from bench.timing import interleave


@dataclass(frozen=True)
class Entry:
    """A contender: its file under bench/contenders, and what it is given. `peer`: it runs in the peers' environment."""

    file: str
    peer: bool = False
    compile: bool = False
    workers: int = 0


@dataclass
class Contender:
    """A running contender."""

    process: subprocess.Popen[str]
    errors: str
    losses: list[float] = field(default_factory=list)

    def epoch(self) -> float:
        """Seconds of its next epoch."""
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("epoch\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            with open(self.errors, encoding="utf-8") as said:
                raise RuntimeError(f"{' '.join(map(str, self.process.args))} ended:\n{said.read()[-3000:]}")  # type: ignore[arg-type]
        answer = json.loads(line)
        self.losses.append(answer["loss"])
        return float(answer["seconds"])


@contextlib.contextmanager
def running(
    entry: Entry, *, network: str, examples: int, batch: int, peers: str | None, device: str = "cpu", precision: str = "float32"
) -> Iterator[Contender]:
    """The contender, until the block ends."""
    python = peers if entry.peer and peers else sys.executable
    command = [python, "-m", f"bench.contenders.{entry.file}", "--network", network, "--examples", str(examples)]
    command += ["--batch", str(batch), "--workers", str(entry.workers), *(["--compile"] if entry.compile else [])]
    command += ["--device", device, "--precision", precision]
    with tempfile.NamedTemporaryFile("w+", suffix=".txt") as errors, tempfile.TemporaryDirectory() as compiled:
        # Each compiles for itself: PyTorch would otherwise hand one contender what another one has waited for.
        own = {**environment(), "TORCHINDUCTOR_CACHE_DIR": compiled}
        process = subprocess.Popen(command, cwd=ROOT, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield Contender(process, errors.name)
        finally:
            assert process.stdin
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()


@dataclass(frozen=True)
class Result:
    """One contender's turns: seconds an epoch, the first (thrown away) epochs' seconds, and the last epoch's loss."""

    seconds: Sequence[float]
    first: float
    loss: float


def race(
    entries: dict[str, Entry],
    *,
    network: str,
    examples: int,
    batch: int,
    rounds: int,
    peers: str | None,
    device: str = "cpu",
    precision: str = "float32",
) -> dict[str, Result]:
    """Seconds an epoch of every contender, by turns. Peers are left out where their environment is not given."""
    entries = {name: entry for name, entry in entries.items() if peers or not entry.peer}
    with contextlib.ExitStack() as stack:
        started = {}
        first = {}
        for name, entry in entries.items():
            print(f"  {network} {name}: first epoch …", file=sys.stderr, flush=True)
            started[name] = stack.enter_context(
                running(entry, network=network, examples=examples, batch=batch, peers=peers, device=device, precision=precision)
            )
            first[name] = started[name].epoch()
        turns = interleave({name: contender.epoch for name, contender in started.items()}, rounds=rounds, warmup=0)
        return {name: Result(turns[name], first[name], started[name].losses[-1]) for name in started}
