"""Checkpoints are whole or not there."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch

from sonde.errors import RunError, TrainingError
from sonde.training import checkpoints
from sonde.training.checkpoints import Checkpoint, Checkpoints, load_optimizer, optimizer_tensors


def at(step: int) -> Checkpoint:
    return Checkpoint(step, {"w": torch.full((3,), float(step))}, {"0.v": torch.ones(3)}, {}, {"progress": {"step": step}})


def test_keeps_the_last_two_and_the_best(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    for step in range(1, 6):
        store.save(at(step), best=step == 2)
    assert store.names() == ["step-000005", "step-000004", "step-000002"]
    assert store.pointers() == {"format": 1, "last": ["step-000005", "step-000004"], "best": "step-000002"}
    assert store.load("best")[0].step == 2
    assert store.load("last")[0].weights["w"].tolist() == [5.0, 5.0, 5.0]


def test_those_that_wait_are_written_when_it_is_time_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    store = Checkpoints(tmp_path)
    weights = torch.zeros(3)

    def save(step: int, *, best: bool = False, wait: bool = True) -> None:
        weights.fill_(float(step))  # as training goes on in the same memory
        store.save(Checkpoint(step, {"w": weights}, {}, {}, {"progress": {"step": step}}), best=best, wait=wait)

    save(1)
    assert store.names() == ["step-000001"]  # the first does not wait
    clock += 0.4
    save(2, best=True)
    save(3)
    assert store.names() == ["step-000001"]
    assert store.pointers()["best"] is None  # what is pointed to is there
    clock += 0.7
    save(4)
    assert store.names() == ["step-000004", "step-000003", "step-000002"]
    save(5)
    save(6)
    assert store.load()[0].step == 4  # what a kill leaves
    store.flush()
    assert store.names() == ["step-000006", "step-000005", "step-000002"]
    assert store.pointers() == {"format": 1, "last": ["step-000006", "step-000005"], "best": "step-000002"}
    assert [store.load(name)[0].weights["w"][0].item() for name in store.names()] == [6.0, 5.0, 2.0]
    save(7)
    save(8, wait=False)
    assert store.names() == ["step-000008", "step-000007", "step-000002"]


def test_damaged_one_is_passed_over_and_said(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.save(at(1), best=True)
    store.save(at(2), best=False)
    file = tmp_path / "checkpoints" / "step-000002" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    found, said = store.load("last")
    assert found.step == 1
    assert "step-000002 is damaged (weights.safetensors does not match its checksum); the checkpoint before it is used" in said[0]


def test_without_a_manifest_it_does_not_count(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.save(at(1), best=True)
    (tmp_path / "checkpoints" / "step-000001" / "manifest.json").unlink()
    with pytest.raises(RunError, match="there is no whole checkpoint here"):
        store.load()


def test_newer_format_is_refused(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.save(at(1), best=True)
    store.pointer.write_text(json.dumps({"format": 99, "last": [], "best": None}))
    with pytest.raises(RunError, match="is of format 99; this Sonde reads up to 1"):
        store.pointers()


def test_full_disk_keeps_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Checkpoints(tmp_path)
    store.save(at(1), best=True)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(TrainingError, match="there is no room left on the disk; the checkpoint before it stands") as caught:
        store.save(at(2), best=False)
    assert caught.value.remedy is not None and "--resume" in caught.value.remedy
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
    assert store.load()[0].step == 1


@pytest.mark.parametrize("make", [lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), lambda p: torch.optim.AdamW(p, 0.1)])
def test_optimizer_goes_round_bitwise(make) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    x = torch.randn(8, 4)

    def run(steps: int, model: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    model = torch.nn.Linear(4, 2)
    optimizer = make(model.parameters())
    run(3, model, optimizer)
    saved, weights = {k: v.clone() for k, v in optimizer_tensors(optimizer).items()}, {k: v.clone() for k, v in model.state_dict().items()}
    run(3, model, optimizer)
    other = torch.nn.Linear(4, 2)
    other.load_state_dict(weights)
    again = make(other.parameters())
    load_optimizer(again, saved)
    run(3, other, again)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
