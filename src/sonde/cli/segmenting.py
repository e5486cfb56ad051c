"""What `sonde predict` does for a run that names the class of each pixel: shares of each picture, and pictures written to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from sonde.run import Run


def segmented(run: Run, files: Sequence[str], *, pictures: Path | None, blur: str | None, windows: bool, overlap: float) -> tuple[pl.DataFrame, list[Path]]:
    """A row a picture with the share that each class covers, and the pictures that were written to the folder `pictures`.

    Raises UsageError for a class to keep sharp that there is not, or without a folder, and for an overlap that is no share.
    """
    import polars as pl

    from sonde.explain.segmentation import Artist
    from sonde.segments import Looking, table, told

    target = run.target.values
    classes = tuple(str(name) for name in target["classes"])
    looking = Looking(windows=windows, overlap=overlap)
    if blur is not None and pictures is None:
        raise UsageError("there is no place for the blurred pictures", where="--blur-background", remedy="name a folder: --pictures DIR")
    artist = None if pictures is None else Artist(pictures, classes, target.get("palette"), blur=blur)
    sources: list[Any] = [list(files)] if all(Path(file).is_file() for file in files) and len(files) > 1 else list(files)
    found = []
    for source in sources:
        seen = run.planes(run.opened(source), looking)
        found.append(table(seen if artist is None else told(seen, artist), classes))
    return pl.concat(found), [] if artist is None else artist.written
