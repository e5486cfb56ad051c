"""The pieces that made-up run folders are built from: files, pictures, events."""

from __future__ import annotations

import json
import math
import random
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DIGITS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def write(folder: Path, name: str, value: Any) -> None:
    """A JSON file as the run folder has it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_events(folder: Path, events: Sequence[dict[str, Any]]) -> None:
    """events.jsonl, one event a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def png(pixels: Sequence[Sequence[int]]) -> bytes:
    """A grey picture as PNG."""
    height, width = len(pixels), len(pixels[0])

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\x00" + bytes(row) for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def digit(number: int, draw: random.Random) -> bytes:
    """A digit of 14 × 16 pixels with some noise, as PNG."""
    rows = DIGITS[number].split()
    shift = draw.randint(0, 2)
    pixels = [[0] * 16 for _ in range(16)]
    for y, row in enumerate(rows):
        for x, on in enumerate(row):
            if on == "1":
                for dy in (0, 1):
                    for dx in (0, 1):
                        pixels[1 + y * 2 + dy][2 + x * 2 + dx + shift] = draw.randint(170, 255)
    return png([[min(255, value + draw.randint(0, 28)) for value in row] for row in pixels])


def training_events(
    *,
    epochs: int,
    steps_per_epoch: int,
    start: float,
    floor: float,
    gap: float,
    measure: str,
    best: float,
    higher: bool,
    draw: random.Random,
) -> list[dict[str, Any]]:
    """Events of a training that learns: losses fall, the validation loss levels off `gap` above."""
    steps = epochs * steps_per_epoch
    events: list[dict[str, Any]] = [
        {
            "event": "start",
            "time": 1763600000.0,
            "steps_per_epoch": steps_per_epoch,
            "epochs": epochs,
            "examples": 1257,
            "parameters": 61706,
        }
    ]
    for step in range(0, steps + 1, max(1, steps // 150)):
        done = step / steps
        loss = floor + (start - floor) * math.exp(-7 * done) * (1 + 0.25 * draw.uniform(-1, 1))
        rate = 0.1 * (0.5 + 0.5 * math.cos(math.pi * done)) * min(1, done / 0.08 + 0.02)
        events.append(
            {
                "event": "train",
                "step": step,
                "epoch": step // steps_per_epoch,
                "loss": loss,
                "lr": rate,
                "examples_per_second": 10400 + draw.uniform(-600, 600),
                "gradient_norm": 2.5 * math.exp(-3 * done) * (1 + 0.4 * draw.random()),
                "metrics": {measure: best - (1 - best) * -1 * math.exp(-9 * done)}
                if not higher
                else {measure: 1 - 0.9 * math.exp(-8 * done)},
            }
        )
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        loss = floor + gap + (start - floor) * math.exp(-7 * done) + 0.06 * gap * draw.uniform(-1, 1) + gap * 0.4 * max(0, done - 0.7)
        value = best - (0.85 * math.exp(-8 * done) if higher else -best * 2 * math.exp(-6 * done))
        events.append(
            {
                "event": "evaluate",
                "step": epoch * steps_per_epoch,
                "epoch": epoch,
                "part": "validation",
                "metrics": {measure: value, "loss": loss},
            }
        )
    return events


def scale_events(layers: Sequence[str], steps: Sequence[int], *, vanish: bool, draw: random.Random) -> list[dict[str, Any]]:
    """Scale of activations, gradients and weights per layer; with `vanish` the first layers' gradients are tiny."""
    events = []
    for step in steps:
        rows = []
        for index, layer in enumerate(layers):
            depth = len(layers) - 1 - index
            gradient = 0.02 * (0.04 if vanish else 0.8) ** depth * math.exp(-step / 900) * (1 + 0.3 * draw.random())
            rows.append({"name": layer, "activation": 0.9 * 0.93**index, "gradient": gradient, "weight": 0.1})
        events.append({"event": "scale", "step": step, "layers": rows})
    return events


ENVIRONMENT = {
    "format": 1,
    "sonde": "0.1.0",
    "python": "3.11.7",
    "torch": "2.13.0",
    "device": "cpu",
    "threads": 2,
    "platform": "Linux x86_64",
    "versions": {"numpy": "2.4.0", "polars": "2.1.0"},
    "fingerprint": "5b41c9e2" * 8,
}
