"""Measuring the machine: numbers that hold on any, and a result that is kept and read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sonde.cost import machine as machines
from sonde.cost import probes


def test_rows_are_faster_than_columns_and_vectors_than_loops() -> None:
    assert probes.strides(2048).ratio > 1.2
    assert probes.loops(20_000).ratio > 20


def test_the_shortest_time_is_kept() -> None:
    calls: list[int] = []
    assert 0 <= probes.shortest(lambda: calls.append(1), turns=3) < 0.1
    assert len(calls) == 4  # one does not count


def test_a_machine_is_read_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = probes.Pair(0.1, 0.2)
    known = machines.Machine("name", "cpu", 1, "2", "2026-01-01", 1e11, 1e10, ((8, 2.0),), pair, pair, probes.Transfers(1.0, 2.0, 3.0, 4.0, 5.0))
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path))
    monkeypatch.setattr(machines, "measure", lambda device: known)
    assert not machines.is_known("cpu")
    assert machines.machine("cpu") == known == machines.machine("cpu")
    assert machines.is_known("cpu")
    assert known.ridge == 10
    assert known.seconds(1e11, 1e9) == 1.0 and known.seconds(1e9, 1e10) == 1.0


def test_other_threads_are_another_machine() -> None:
    device, threads = torch.device("cpu"), torch.get_num_threads()
    before = machines.key(device)
    torch.set_num_threads(threads + 1)
    try:
        assert machines.key(device) != before
    finally:
        torch.set_num_threads(threads)
