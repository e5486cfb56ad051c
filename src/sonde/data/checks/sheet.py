"""A contact sheet: small pictures of some examples of each class, to look at before anything is trained."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from sonde.data.contents import Content
from sonde.errors import DataError

SIDE = 96  # pixels of the longer side


def contact_sheet(content: Content, folder: Path, count: int = 24) -> list[dict[str, str]]:
    """Write up to `count` thumbnails as `folder/figures/data-N.png`; [{"file": "figures/data-0.png", "label": "cat"}, …].

    Classes take turns in the order of their names, and a class shows pictures evenly spread over its own; the same
    content gives the same sheet. Pictures that cannot be decoded are passed over (the check names them). Small pictures
    are enlarged by a whole factor, so that their pixels can be seen.
    """
    examples = content.examples
    if examples.pictures is None:
        return []
    name = content.target if content.target is not None and content.target in examples.frame.columns else None
    labels = [""] * len(examples) if name is None else ["" if value is None else str(value) for value in examples.frame[name]]
    sheet: list[dict[str, str]] = []
    for row in turns(labels, count):
        if len(sheet) == count:
            break
        try:
            pixels = examples.pictures.read(row, SIDE)
        except DataError:
            continue
        file = f"figures/data-{len(sheet)}.png"
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        thumbnail(pixels).save(folder / file, optimize=True)
        sheet.append({"file": file, "label": labels[row]})
    return sheet


def turns(labels: list[str], count: int) -> list[int]:
    """Rows to show in order, classes taking turns; twice as many as asked for where there are so many, as some may fail."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[label].append(row)
    each = -(-2 * count // max(1, len(rows)))
    spread = {label: _spread(rows[label], each) for label in sorted(rows)}
    longest = max((len(chosen) for chosen in spread.values()), default=0)
    return [chosen[turn] for turn in range(longest) for chosen in spread.values() if turn < len(chosen)][: 2 * count]


def _spread(rows: list[int], count: int) -> list[int]:
    """`count` of the rows, the first half evenly spread, then those between."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))
    chosen = [rows[place] for place in places]
    return chosen[::2] + chosen[1::2]


def thumbnail(pixels: np.ndarray, side: int = SIDE) -> Image.Image:
    """uint8 (height, width, 1 or 3) as a picture whose longer side is at most `side`."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    factor = side / max(image.size)
    if factor >= 2:
        return image.resize((image.width * int(factor), image.height * int(factor)), Image.Resampling.NEAREST)
    if factor < 1:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image
