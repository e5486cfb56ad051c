"""How much a base install of Sonde puts on the disk beyond PyTorch and what PyTorch itself needs.

Follows the requirements of the installed distributions (importlib.metadata, markers evaluated, no extras of Sonde) and adds
up the files that each lists. Compiled caches (.pyc) are counted as they lie there.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

LIMIT_PACKAGES, LIMIT_MB = 40, 600


@dataclass(frozen=True)
class Size:
    """One installed distribution."""

    name: str
    version: str
    megabytes: float  # of 10^6 bytes


def closure(name: str) -> set[str]:
    """The normalised names of `name` and of all it needs here, extras left out."""
    found: set[str] = set()
    waiting = [(name, frozenset[str]())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        try:
            distribution = metadata.distribution(item[0])
        except metadata.PackageNotFoundError:
            continue  # its marker is for another platform in a way that the metadata do not say
        found.add(_normal(item[0]))
        for line in distribution.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *item[1])):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def measure(name: str = "sonde", without: str = "torch") -> list[Size]:
    """Every distribution that `name` brings beyond itself and beyond `without` and its own requirements, largest first."""
    names = closure(name) - closure(without) - {_normal(name)}
    return sorted((_size(item) for item in names), key=lambda size: -size.megabytes)


def _size(name: str) -> Size:
    distribution = metadata.distribution(name)
    places = {Path(str(file.locate())).resolve() for file in distribution.files or []}
    total = sum(place.stat().st_size for place in places if place.is_file())
    return Size(_normal(name), distribution.version, total / 1e6)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    """Print the table; exit code 1 when over the limit."""
    sizes = measure()
    print("| package | version | MB |\n| --- | --- | ---: |")
    for size in sizes:
        print(f"| {size.name} | {size.version} | {size.megabytes:.1f} |")
    total = sum(size.megabytes for size in sizes)
    print(f"| {len(sizes)} packages (limit {LIMIT_PACKAGES}) | | {total:.0f} (limit {LIMIT_MB}) |")
    return int(len(sizes) > LIMIT_PACKAGES or total > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
