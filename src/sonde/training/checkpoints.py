"""Checkpoints: safetensors and JSON, written beside, synced, renamed, the manifest with its checksums last.

A checkpoint is a folder `checkpoints/step-001200/` of `weights.safetensors`, `optimizer.safetensors`,
`state.safetensors`, `state.json` and `manifest.json`. `checkpoints.json` in the run folder points to the last ones and
to the best. At no moment is there a state that cannot be read: a folder without a whole manifest does not count.

Writing and syncing one takes 30 to 70 ms however small it is. Epochs of a small table take a few, so that theirs may wait: what is still
pointed to is written a second after the one before, and when training ends in whatever way but being killed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sonde.errors import RunError, TrainingError

FORMAT = 1
KEEP = 2
# Seconds between two checkpoints that may wait.
APART = 1.0


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training needs to go on as if it had never stopped."""

    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Tensor]
    values: dict[str, Any]


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _own(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU that share no memory, as safetensors wants them."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _copied(checkpoint: Checkpoint) -> Checkpoint:
    """What training may go on beside."""
    weights, optimizer, state = (_own(part) for part in (checkpoint.weights, checkpoint.optimizer, checkpoint.state))
    return Checkpoint(checkpoint.step, weights, optimizer, state, deepcopy(checkpoint.values))


class Checkpoints:
    """The checkpoints of one run folder."""

    def __init__(self, run: Path) -> None:
        self.run, self.folder, self.pointer = run, run / "checkpoints", run / "checkpoints.json"
        self._waiting: dict[str, Checkpoint] = {}
        self._next: dict[str, Any] | None = None  # the pointers once these are written
        self._written = -APART

    def pointers(self) -> dict[str, Any]:
        """{"format", "last": [names, newest first], "best": name or None}."""
        if not self.pointer.exists():
            return {"format": FORMAT, "last": [], "best": None}
        try:
            found = json.loads(self.pointer.read_text(encoding="utf-8"))
        except ValueError:
            raise RunError(
                "this file is not valid JSON", where=str(self.pointer), remedy="delete it: the checkpoint folders are found without it"
            ) from None
        if found.get("format", FORMAT) > FORMAT:
            raise RunError(
                f"this run folder is of format {found['format']}; this Sonde reads up to {FORMAT}",
                where=str(self.pointer),
                remedy="install a newer Sonde",
            )
        return dict(found)

    def save(self, checkpoint: Checkpoint, *, best: bool, wait: bool = False) -> None:
        """Write a checkpoint, point to it, drop those no longer needed. One that may `wait` is copied, and written by `flush` at the latest."""
        name = f"step-{checkpoint.step:06d}"
        pointers = self._next or self.pointers()
        pointers["last"] = [name] + [other for other in pointers["last"] if other != name][: KEEP - 1]
        pointers["best"] = name if best else pointers["best"]
        self._next = pointers
        due = not wait or time.monotonic() - self._written >= APART
        waiting = self._waiting | {name: checkpoint if due else _copied(checkpoint)}
        self._waiting = {name: waiting[name] for name in waiting if name in (*pointers["last"], pointers["best"])}
        if due:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        waiting, pointers = self._waiting, self._next
        self._waiting, self._next = {}, None
        if pointers is None:
            return
        for name, checkpoint in waiting.items():
            beside = self.folder / f".{name}.{os.getpid()}"
            try:
                self._write(checkpoint, beside)
                final = self.folder / name
                if final.exists():
                    shutil.rmtree(final)
                beside.rename(final)
            except OSError as error:
                shutil.rmtree(beside, ignore_errors=True)
                raise self._no_room(error) from None
        try:
            _sync(self.folder)
            write_json(self.pointer, pointers)
        except OSError as error:
            raise self._no_room(error) from None
        self._prune({*pointers["last"], pointers["best"]})
        self._written = time.monotonic()

    def _write(self, checkpoint: Checkpoint, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for part in ("weights", "optimizer", "state"):
            try:
                save_file(_own(getattr(checkpoint, part)), folder / f"{part}.safetensors")
            except SafetensorError as error:
                raise OSError(errno.ENOSPC if "No space" in str(error) else errno.EIO, str(error)) from None
        write_json(folder / "state.json", {"format": FORMAT, "step": checkpoint.step, **checkpoint.values})
        files = sorted(path for path in folder.iterdir())
        for path in files:
            _sync(path)
        write_json(folder / "manifest.json", {"format": FORMAT, "sha256": {path.name: _digest(path) for path in files}})
        _sync(folder)

    def _no_room(self, error: OSError) -> TrainingError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "there is no room left on the disk" if full else f"a checkpoint could not be written: {error.strerror or error}"
        return TrainingError(
            f"{what}; the checkpoint before it stands",
            where=str(self.folder),
            remedy=f"make room, then `sonde train --resume {self.run}`"
            if full
            else f"check the folder's permissions, then `sonde train --resume {self.run}`",
        )

    def _prune(self, keep: set[str | None]) -> None:
        for path in self.folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)

    def names(self) -> list[str]:
        """Names of the checkpoint folders there are, newest first, whether sound or not."""
        if not self.folder.is_dir():
            return []
        return sorted(
            (path.name for path in self.folder.iterdir() if path.name.startswith("step-")), key=lambda name: int(name[5:]), reverse=True
        )

    def load(self, which: str = "last") -> tuple[Checkpoint, list[str]]:
        """The "last" or "best" checkpoint and what had to be said on the way: a damaged one is passed over for the one before.

        Any other `which` is the name of one checkpoint, which nothing stands for.
        """
        names = self.names()
        if which == "best":
            best = self.pointers()["best"]
            names = [name for name in [best, *names] if name is not None]
        elif which != "last":
            names = [which]
        said: list[str] = []
        for name in names:
            try:
                return self._read(self.folder / name), said
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                said.append(f"{self.folder / name} is damaged ({error}); the checkpoint before it is used")
        raise RunError(
            "there is no whole checkpoint here" + ("; " + "; ".join(said) if said else ""),
            where=str(self.folder),
            remedy="train the run again: `sonde train` with its recipe.toml",
        )

    def _read(self, folder: Path) -> Checkpoint:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name, digest in manifest["sha256"].items():
            if _digest(folder / name) != digest:
                raise ValueError(f"{name} does not match its checksum")
        values = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if values["format"] > FORMAT:
            raise RunError(
                f"this checkpoint is of format {values['format']}; this Sonde reads up to {FORMAT}",
                where=str(folder),
                remedy="install a newer Sonde",
            )
        parts = {part: load_file(folder / f"{part}.safetensors") for part in ("weights", "optimizer", "state")}
        return Checkpoint(values["step"], parts["weights"], parts["optimizer"], parts["state"], values)


def averaged(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The weights to predict with: their averages where the checkpoint holds such."""
    averages = {name.partition(".")[2]: value for name, value in checkpoint.state.items() if name.startswith("average.")}
    return checkpoint.weights | {name: value for name, value in averages.items() if name in checkpoint.weights}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as named tensors: `<parameter number>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
        for number, entry in state.items()
        for name, value in entry.items()
        if value is not None
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    table = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": table["param_groups"]})
    # A file keeps no strides. The fused updates walk through a weight and its state side by side, so both must lie alike in memory.
    for parameter, entry in optimizer.state.items():
        for name, value in entry.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                entry[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
