"""Contents made in a test, and the problems that the check finds in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from sonde import recipe
from sonde.data.check import Findings, check
from sonde.data.contents import Content, Examples, Part
from sonde.data.infer import Inferred
from sonde.data.readers.pictures import ArrayPictures, FilePictures
from sonde.data.split import Selection
from sonde.errors import Problem


def table(frame: pl.DataFrame | Mapping[str, Any], **parts: pl.DataFrame) -> Content:
    """A table called t.csv; with further `parts`, `frame` is the training part."""
    whole = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    held: dict[Part, Examples] = {"train" if parts else "all": Examples(whole)}  # type: ignore[dict-item]
    held |= {name: Examples(part) for name, part in parts.items()}  # type: ignore[misc]
    files = tuple(Path(f"{name}.csv") for name in held) if parts else (Path("t.csv"),)
    return Content("table", "t.csv", "t", "a table", held, "0" * 64, files=files)


def series(frame: pl.DataFrame | Mapping[str, Any], *, time: str | None = "day") -> Content:
    """A series in s.csv."""
    whole = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    return Content("series", "s.csv", "s", "a series", {"all": Examples(whole)}, "0" * 64, time=time)


def files(folder: Path, pictures: Mapping[str, np.ndarray | bytes]) -> Examples:
    """Examples of picture files `class/name.png`, written below `folder`; bytes are written as they are."""
    for name, pixels in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(pixels, bytes):
            path.write_bytes(pixels)
        else:
            Image.fromarray(pixels).save(path)
    names = list(pictures)
    frame = pl.DataFrame({"image": names, "label": [Path(name).parent.name for name in names]})
    return Examples(frame, FilePictures([folder / name for name in names], names))


def arrays(pixels: np.ndarray, labels: Sequence[str], origin: str = "digits") -> Examples:
    """Examples of pictures in memory, uint8 (picture, height, width, channels)."""
    store = ArrayPictures(pixels, origin)
    return Examples(pl.DataFrame({"image": store.names(), "label": list(labels)}), store)


def images(examples: Examples, **parts: Examples) -> Content:
    """Pictures called leaves; with further `parts`, `examples` is the training part."""
    held: dict[Part, Examples] = {"train" if parts else "all": examples}  # type: ignore[dict-item]
    return Content("images", "leaves", "leaves", "class folders", held | parts, "0" * 64, target="label")  # type: ignore[operator]


def examine(
    content: Content,
    task: str = "regression",
    targets: tuple[str, ...] = ("y",),
    *,
    deep: bool = True,
    cut: Mapping[Part, Sequence[int]] | None = None,
    **data: Any,
) -> Findings:
    """The findings. `cut` are the rows of the parts drawn from the whole; further keywords are recipe.Data's."""
    parts = None if cut is None else {part: Selection(content.examples, np.asarray(rows)) for part, rows in cut.items()}
    return check(
        content, recipe.Data(target=targets, **data), inferred=Inferred(task, targets, "as a test says", "--task"), parts=parts, deep=deep
    )


def one(findings: Findings, words: str) -> Problem:
    """The only problem whose words hold `words`."""
    found = [problem for problem in findings.problems if words in f"{problem.where} {problem.found}"]
    assert len(found) == 1, f"{len(found)} problems say {words!r} among:\n" + "\n".join(map(str, findings.problems))
    return found[0]


def none(findings: Findings, words: str) -> None:
    """No problem says `words`."""
    found = [str(problem) for problem in findings.problems if words in problem.found]
    assert not found, "\n".join(found)


def numbers(rows: int, *, seed: int = 0) -> np.ndarray:
    """Normal draws, float64 (row,)."""
    return np.random.default_rng(seed).normal(size=rows)
