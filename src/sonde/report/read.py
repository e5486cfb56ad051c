"""A run folder as plain values. Whatever is missing or damaged is empty: a run stopped early still has a report."""

from __future__ import annotations

import base64
import io
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonde.errors import RunError
from sonde.report.numbers import count, finite, table, tables, text

PARTS = ("train", "validation", "test")
SPOKEN = {"train": "training", "validation": "validation", "test": "test", "all": "all"}


@dataclass(frozen=True)
class Record:
    """What stands in the folder of one run; `folds` are the runs of a K-fold, in order."""

    path: Path
    recipe_text: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    explain: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    looks: dict[str, Any] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    folds: tuple[Record, ...] = ()

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.path.resolve().name

    @property
    def steps_per_epoch(self) -> float | None:
        """Steps in one pass over the training examples, where the start said so."""
        for event in self.events.get("start", []):
            steps = finite(event.get("steps_per_epoch"))
            if steps:
                return steps
        return None

    def time(self, event: dict[str, Any]) -> float | None:
        """When an event took place: in epochs where their length is known, else in steps."""
        step = finite(event.get("step"))
        length = self.steps_per_epoch
        return step / length if step is not None and length else step

    @property
    def classes(self) -> list[str]:
        """The names of the classes that the target was fitted with."""
        target = table(table(self.model.get("task")).get("target"))
        names = target.get("classes")
        return [text(name) for name in names] if isinstance(names, list) else []

    @property
    def monitor(self) -> str:
        """The measure that the best epoch was chosen by, or the first there is."""
        named = text(self.metrics.get("monitor"))
        if named:
            return named
        for part in ("test", "validation", "mean", "train"):
            for measure in table(self.metrics.get(part)):
                return measure
        for event in self.events.get("evaluate", []):
            for measure in table(event.get("metrics")):
                if measure != "loss":
                    return measure
        return ""


def read_run(path: Path) -> Record:
    """The run at `path`.

    Raises:
        RunError: there is no folder, or nothing in it comes from a run.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunError(f"there is no run folder {path.name!r}", where=str(path), remedy="`sonde runs` lists the runs there are")
    if not any((path / file).exists() for file in ("recipe.toml", "metrics.json", "events.jsonl", "model.json", "data.json")):
        raise RunError(
            "this folder holds no run: none of recipe.toml, metrics.json, events.jsonl is there",
            where=str(path),
            remedy="`sonde runs` lists the runs there are",
        )
    record = _read(path)
    folds = sorted((int(folder.name), folder) for folder in _folders(path / "folds") if folder.name.isdigit())
    return Record(**{**vars(record), "folds": tuple(_read(folder) for _, folder in folds)})


def _read(path: Path) -> Record:
    recipe_text = _text(path / "recipe.toml")
    return Record(
        path=path,
        recipe_text=recipe_text,
        recipe=_toml(recipe_text),
        model=read_table(path / "model.json"),
        metrics=read_table(path / "metrics.json"),
        data=read_table(path / "data.json"),
        explain=read_table(path / "figures" / "explain.json"),
        environment=read_table(path / "environment.json"),
        looks=read_table(path / "looks.json"),
        events=_events(path / "events.jsonl"),
    )


def _folders(path: Path) -> list[Path]:
    try:
        return [folder for folder in path.iterdir() if folder.is_dir()]
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_table(path: Path) -> dict[str, Any]:
    """A JSON file that holds a table, or an empty one."""
    try:
        return table(json.loads(_text(path) or "{}"))
    except (ValueError, RecursionError):
        return {}


def _toml(written: str) -> dict[str, Any]:
    try:
        return tomllib.loads(written)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _events(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Events by kind, in order. A line that a killed process left unfinished is passed over."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for line in _lines(path):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            kinds.setdefault(event["event"], []).append(event)
    return kinds


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except OSError:
        return


class Pictures:
    """Picture files of a run folder as data: addresses, small, and only as many as keep the page small enough to send."""

    ROOM = 1_000_000
    LARGE = 20_000  # bytes from which a picture is made smaller
    HUGE = 20_000_000  # bytes that are not read at all
    SIDE = 224  # pixels of its longer side then
    _KINDS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self.left_out = 0

    def address(self, folder: Path, file: object, *, side: int = SIDE) -> str | None:
        """The picture `file` of `folder`, its longer side at most `side` where it is large; None where there is none, or no room is left.

        None too for what is no picture, or stands outside the folder.
        """
        if not isinstance(file, str) or not file or "\x00" in file:
            return None
        try:
            path = (folder / file).resolve()
            if not path.is_relative_to(folder.resolve()) or not path.is_file() or path.stat().st_size > self.HUGE:
                return None
            content = path.read_bytes()
        except (OSError, ValueError):
            return None
        kind = next((kind for head, kind in self._KINDS if content.startswith(head)), None)
        if kind is not None and len(content) > self.LARGE:
            kind, content = _smaller(kind, content, side)
        if kind is None:
            return None
        address = f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
        if len(address) > self.room:
            self.left_out += 1
            return None
        self.room -= len(address)
        return address


def _smaller(kind: str, content: bytes, side: int) -> tuple[str, bytes]:
    """The picture as JPEG of at most `side` pixels, where that is smaller and the picture can be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as picture:
            small = picture.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        return kind, content
    small.thumbnail((side, side))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=82, optimize=True)
    return ("image/jpeg", written.getvalue()) if written.tell() < len(content) else (kind, content)


@dataclass(frozen=True)
class View:
    """What may be shown: `examples=False` leaves out everything that tells of a single example."""

    pictures: Pictures
    examples: bool = True


def part_sizes(record: Record) -> dict[str, int]:
    """Examples in each part, as the metrics or else the data tell it."""
    sizes: dict[str, int] = {}
    for source in (table(record.metrics.get("examples")), table(record.data.get("parts"))):
        for part, size in source.items():
            whole = count(size)
            if whole is not None:
                sizes.setdefault(part, whole)
    return sizes


def best_time(record: Record) -> float | None:
    """When the best weights were reached, on the axis of `Record.time`."""
    best = table(record.metrics.get("best"))
    step = finite(best.get("step"))
    if step is not None:
        return record.time({"step": step})
    return finite(best.get("epoch")) if record.steps_per_epoch else None


def problems(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What the doctor found wrong, the worst first, in the order found."""
    order = {"error": 0, "warning": 1, "note": 2}
    found = [problem for problem in tables(data.get("problems")) if text(problem.get("level")) in order]
    return sorted(found, key=lambda problem: order[text(problem["level"])])
