"""Objects drawn on their picture: boxes, masks and tags that can be read on any background."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Twelve colours that are told apart easily, also on grass, sky and skin; further classes take the same again.
PALETTE: Final[tuple[Colour, ...]] = (
    (255, 99, 71),
    (64, 156, 255),
    (255, 210, 0),
    (186, 85, 255),
    (0, 230, 160),
    (255, 140, 0),
    (255, 105, 210),
    (0, 220, 255),
    (170, 230, 30),
    (255, 175, 155),
    (145, 150, 255),
    (215, 180, 110),
)
LEAST: Final = 480  # pixels of the longer side: smaller pictures are enlarged, so that tags have room
COVER: Final = 0.45  # how much of a masked pixel is the mask's colour
DASH: Final = 3.0  # a dash's length in line widths


@dataclass(frozen=True)
class Shown:
    """An object: `box` (left, top, right, bottom) in the picture's pixels, what its tag says (empty: none), its colour, its mask bool (height, width)."""

    box: Box
    text: str
    colour: Colour
    mask: np.ndarray | None = None
    dashed: bool = False


def colour_of(number: int) -> Colour:
    """The colour of a class."""
    return PALETTE[number % len(PALETTE)]


def colours_of(classes: Sequence[str], palette: Sequence[Sequence[int]] | None) -> list[Colour]:
    """The colour of each class: the data's own where masks are in colours, else twelve that are told apart easily, then more around the circle."""
    if palette is not None and len(palette) >= len(classes):
        return [(int(red), int(green), int(blue)) for red, green, blue in palette[: len(classes)]]
    more = [colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.55 + 0.4 * (number % 2), 0.95 - 0.35 * (number % 3) / 2) for number in range(len(classes))]
    return [PALETTE[number] if number < len(PALETTE) else _byte(more[number]) for number in range(len(classes))]


def _byte(colour: tuple[float, float, float]) -> Colour:
    red, green, blue = (round(255 * value) for value in colour)
    return red, green, blue


def draw(pixels: np.ndarray, objects: Sequence[Shown], *, least: int = LEAST) -> Image.Image:
    """The picture uint8 (height, width, 1 or 3) with `objects` on it, the first on top, in colour.

    Lines and letters grow with the picture; one whose longer side is below `least` pixels is enlarged.
    """
    plain = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(_masked(plain, objects))
    factor = max(1.0, least / max(image.size))
    if factor > 1:
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    side = max(image.size)
    line, font = max(3, round(side / 260)), ImageFont.load_default(max(13, round(side / 42)))
    pen = ImageDraw.Draw(image)
    for shown in reversed(objects):
        _box(pen, shown, factor, line, image.size)
    taken: list[Box] = []
    for shown in objects:
        if shown.text:
            _tag(pen, shown, factor, line, font, image.size, taken)
    return image


def _masked(pixels: np.ndarray, objects: Sequence[Shown]) -> np.ndarray:
    """The pixels with the masks' colours laid over them, and their edges in full colour."""
    masks = [shown for shown in reversed(objects) if shown.mask is not None]
    if not masks:
        return np.ascontiguousarray(pixels)
    found = pixels.astype(np.float32)
    for shown in masks:
        mask = np.asarray(shown.mask, dtype=bool)
        colour = np.asarray(shown.colour, dtype=np.float32)
        found[mask] = (1 - COVER) * found[mask] + COVER * colour
        found[mask & ~_shrunk(mask)] = colour
    return found.round().astype(np.uint8)


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask whose four neighbours belong to it."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _box(pen: ImageDraw.ImageDraw, shown: Shown, factor: float, line: int, size: tuple[int, int]) -> None:
    """The frame: its colour between two thin dark lines, so that it stands out from dark and bright alike."""
    left, top, right, bottom = _inside(shown.box, factor, line, size)
    if shown.dashed:  # not drawn along the edge where it goes on outside
        _dashed(pen, tuple(value * factor for value in shown.box), shown.colour, line)  # type: ignore[arg-type]
        return
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(0, 0, 0), width=line + 2)
    pen.rectangle((left, top, right, bottom), outline=shown.colour, width=line)


def _inside(box: Box, factor: float, line: int, size: tuple[int, int]) -> Box:
    """Where the frame is drawn: inside the picture, and never turned inside out."""
    left, top = (float(min(max(value * factor, 1), side - 2 * line)) for value, side in zip(box[:2], size, strict=True))
    right, bottom = (float(min(max(value * factor, low + line), side - 2)) for value, low, side in zip(box[2:], (left, top), size, strict=True))
    return left, top, max(right, left), max(bottom, top)


def _dashed(pen: ImageDraw.ImageDraw, box: Box, colour: Colour, line: int) -> None:
    left, top, right, bottom = box
    for begin, end in (((left, top), (right, top)), ((right, top), (right, bottom)), ((right, bottom), (left, bottom)), ((left, bottom), (left, top))):
        length = abs(end[0] - begin[0]) + abs(end[1] - begin[1])
        count = max(1, round(length / (DASH * line) / 2))
        for number in range(2 * count):
            near, far = (number / (2 * count), (number + 1) / (2 * count))
            piece = [(begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share) for share in (near, far)]
            pen.line(piece, fill=colour if number % 2 == 0 else (0, 0, 0), width=line)


def _tag(pen: ImageDraw.ImageDraw, shown: Shown, factor: float, line: int, font: Font, size: tuple[int, int], taken: list[Box]) -> None:
    """The words on a plate of the object's colour: above the box, below it or inside, wherever no other tag is yet; all within the picture."""
    left, top, right, bottom = _inside(shown.box, factor, line, size)
    edges = pen.textbbox((0, 0), shown.text, font=font)
    margin = max(2, line)
    wide, high = float(edges[2] - edges[0] + 2 * margin), float(edges[3] - edges[1] + 2 * margin)
    x = float(min(max(left - line / 2, 0), max(size[0] - wide, 0)))
    places = [(x, top - high), (x, bottom), (x, top), (x, bottom - high), (right - wide, top - high), (right - wide, bottom)]
    there = [(px, py) for px, py in places if px >= 0 and 0 <= py <= size[1] - high] or [(x, float(min(max(top, 0), max(size[1] - high, 0))))]
    free = [place for place in there if not any(_meet((*place, place[0] + wide, place[1] + high), other) for other in taken)]
    px, py = (free or there)[0]
    taken.append((px, py, px + wide, py + high))
    pen.rectangle((px, py, px + wide - 1, py + high - 1), fill=shown.colour, outline=(0, 0, 0))
    # Dark letters on bright plates, bright ones on dark: by relative luminance.
    bright = (0.2126 * shown.colour[0] + 0.7152 * shown.colour[1] + 0.0722 * shown.colour[2]) > 110
    pen.text((px + margin - edges[0], py + margin - edges[1]), shown.text, font=font, fill=(0, 0, 0) if bright else (255, 255, 255))


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
