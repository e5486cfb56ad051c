"""What `sonde predict` does for a run that finds objects: rows, COCO's files, and pictures with what was found drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from sonde.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from sonde.run import Run


def detected(run: Run, files: Sequence[str], *, score: float, pictures: Path | None, blur: str | None = None) -> pl.DataFrame:
    """The objects of a score of at least `score` in files and folders of pictures, a row each, in the order given; drawn into `pictures`.

    With `blur` also each picture as NAME-blurred.jpg, sharp only where objects of this class are.

    Columns are those of `sonde.detections.rows` and the `width` and `height` of each picture. Raises UsageError for a score that is no share, for a place that
    is no folder, and for a class that has no outlines to keep sharp.
    """
    import polars as pl

    from sonde.explain.objects import write_pictures

    if not 0 <= score <= 1:
        raise UsageError(f"a score of {score:g} is none: they go from 0 to 1", where="--score", remedy="0.3 keeps what is rather sure, 0 everything")
    if blur is not None:
        _can_blur(run, blur, pictures)
    if pictures is not None:
        _make(pictures)
    sources: list[Any] = [list(files)] if all(Path(file).is_file() for file in files) and len(files) > 1 else list(files)
    found, before = [], 0
    taken: set[str] = set()
    for source in sources:
        examples = run.opened(source)
        rows = run.objects(examples)
        # A picture in which nothing is sure enough keeps one row, empty but for its name.
        sure = rows.filter(pl.col("score") >= score)
        whole = rows.select("picture", "image").unique(maintain_order=True)
        rows = whole.join(sure.drop("image"), on="picture", how="left", maintain_order="left_right")
        sizes = examples.frame.select("width", "height").with_row_index("picture").with_columns(pl.col("picture").cast(pl.Int64))
        rows = rows.join(sizes, on="picture", how="left", maintain_order="left")
        if pictures is not None:
            if blur is not None and "outline" not in rows.columns:
                remedy = "train a model that does, such as mask-rcnn, on data with outlines"
                raise UsageError("this run finds boxes and no outlines", where="--blur-background", remedy=remedy)
            write_pictures(rows, examples, [str(name) for name in run.target.values["classes"]], pictures, taken=taken, blur=blur)
        found.append(rows.with_columns(pl.col("picture") + before))
        before += len(examples)
    return pl.concat(found, how="vertical_relaxed")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"no folder can be made here: {error.strerror}", where=str(folder), remedy="name another with --pictures") from None


def _can_blur(run: Run, label: str, pictures: Path | None) -> None:
    """UsageError where the class is none, or there is no place to write to."""
    if pictures is None:
        raise UsageError("there is no folder for the blurred pictures", where="--blur-background", remedy="name one: --pictures DIR")
    classes = [str(name) for name in run.target.values["classes"]]
    if label not in classes:
        raise UsageError(f"this run knows no class {label!r}", where="--blur-background", remedy=did_you_mean(label, classes))


def document(rows: pl.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """The rows as one file of COCO's: images, categories (numbered from 1), and annotations with scores."""
    from sonde.detections import coco_results, image_ids

    ids = image_ids(rows)
    images = [
        {"id": ids[picture], "file_name": PurePath(image).name, "width": width, "height": height}
        for picture, image, width, height in rows.select("picture", "image", "width", "height").unique(maintain_order=True).rows()
    ]
    annotations = [
        {"id": number, **result, "area": round(result["bbox"][2] * result["bbox"][3], 3), "iscrowd": 0}
        for number, result in enumerate(coco_results(rows, classes), start=1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    return {"images": images, "categories": categories, "annotations": annotations}
