"""A photograph painted in the manner of another picture, at 256 pixels, read with the small network that Sonde trains itself."""

from __future__ import annotations

from pathlib import Path

from bench.machine import data
from bench.table import Options, Row, main


def measure(options: Options) -> list[Row]:
    """Steps a second, and how far the loss falls from the photograph's own. The network is trained before, outside of the clock."""
    from sonde.style import Manner, body, paint

    folder = data("style_transfer")
    data("cifar10")
    if not options.quick:
        body()
    rounds = 1 if options.quick else 5
    manner = Manner(size=64 if options.quick else 256, steps=4 if options.quick else 200)
    done = [paint(Path(folder / "rainier.jpg"), Path(folder / "autumn-oak.jpg"), manner=manner) for _ in range(rounds)]
    floor = None if options.quick else 1
    return [
        Row("256 pixels, small network: speed", [each.steps / each.seconds for each in done], "steps/s", at_least=floor and 3),
        Row("256 pixels: loss before over loss after 200 steps", [each.before["total"] / each.after["total"] for each in done], "×", at_least=floor and 10),
    ]


if __name__ == "__main__":
    main("Style transfer", measure)
