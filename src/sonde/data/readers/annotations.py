"""Objects in pictures as the formats tell them, before they are looked at: what every reader of annotations gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sonde.data.contents import Part
from sonde.errors import Problem

NONE_KNOWN = float("nan")


@dataclass
class Annotations:
    """Pictures 0 … n−1 and the objects in them, as flat lists.

    Attributes:
        names: what the annotations call each picture.
        places: the picture's number among the files, None where it is not there.
        sizes: (width, height) in pixels that the annotations give, (0, 0) where they give none.
        parts: which part each picture belongs to.
        where: the place of each picture's annotation: file, perhaps line or id.
        image: the picture of each object.
        boxes: left, top, right, bottom of each object in pixels, the whole picture being (0, 0, width, height); NaN where no number stands.
        labels: the class of each object; None where the format has no name for it.
        crowd: whether it stands for many, or is too hard to count (iscrowd, difficult).
        area: in pixels, NaN where nothing is said.
        outlines: polygons or a run-length code as JSON, None where there is none.
        called: what messages call each object: "object 3", "annotation 18", "line 7".
        classes: names in the order of their numbers where the format lists them.
        relative: whether boxes are shares of the picture's sides, not pixels.
        problems: what is wrong; `example` is the number of a picture.
    """

    names: list[str] = field(default_factory=list)
    places: list[int | None] = field(default_factory=list)
    sizes: list[tuple[float, float]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    image: list[int] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    area: list[float] = field(default_factory=list)
    outlines: list[str | None] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    relative: bool = False
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    form: str = ""

    def picture(self, name: str, place: int | None, size: tuple[float, float], part: Part, where: str) -> int:
        """Add a picture; its number."""
        self.names.append(name)
        self.places.append(place)
        self.sizes.append(size)
        self.parts.append(part)
        self.where.append(where)
        return len(self.names) - 1

    def object(
        self,
        image: int,
        box: Sequence[float],
        label: str | None,
        *,
        called: str,
        crowd: bool = False,
        area: float = NONE_KNOWN,
        outline: str | None = None,
    ) -> None:
        """Add an object of picture `image`."""
        self.image.append(image)
        self.boxes.append((box[0], box[1], box[2], box[3]))
        self.labels.append(label)
        self.crowd.append(crowd)
        self.area.append(area)
        self.outlines.append(outline)
        self.called.append(called)

    def wrong(self, where: str, found: str, remedy: str, image: int | None = None) -> None:
        """Add an error; under `--on-error skip` the picture is left out."""
        self.problems.append(Problem("error", where, found, remedy, image))

    def corners(self) -> np.ndarray:
        """The boxes as float64 (object, 4)."""
        return np.array(self.boxes, dtype=np.float64).reshape(-1, 4)


def number(value: object) -> float:
    """A number that a file gives, NaN where it is none."""
    if isinstance(value, bool) or value is None:
        return NONE_KNOWN
    try:
        return float(str(value).strip())
    except ValueError:
        return NONE_KNOWN
