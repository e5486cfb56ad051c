"""Picture files to pixels."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sonde.data.contents import Chosen, Pictures
from sonde.errors import DataError, Problem

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})

# A picture may hold so many pixels: Pillow's own bound, a quarter of a gigabyte as RGB. A small file can claim far more.
PIXELS = 89_478_485

_ORIENTATION = 0x0112  # the EXIF entry that says how the camera was held
_ALPHA = frozenset({"LA", "La", "RGBA", "RGBa", "PA"})
LOOKED_AT = 100  # so many pictures' headers are read to say what modes there are


def is_picture(name: str) -> bool:
    """Whether a file of this name is taken for a picture (its bytes are looked at when it is read)."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # half the time of Path.suffix, and there may be millions


def decode(source: Path | bytes, name: str, at_least: int = 0) -> np.ndarray:
    """One picture as uint8 (height, width, channels), channels 1 (grey) or 3 (RGB).

    Rotated as its EXIF entry says; transparency is composited on white; palette and CMYK become RGB; 16-bit values are
    scaled to 8 bits; of several frames the first. `name` is what messages call the picture. With `at_least` a JPEG may
    be decoded at a fraction of its size that keeps so many pixels a side.

    Raises
    ------
    DataError
        A missing, empty, damaged or truncated file, one that is no picture, or one of more than `PIXELS` pixels.
    """
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            if image.width * image.height > PIXELS:
                raise _bomb(name, image.width * image.height)
            if at_least:
                image.draft(None, (at_least, at_least))  # of JPEG alone; the decoder drops frequencies that do not show
            return _to_array(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name, int(re.findall(r"\d+", str(error))[0])) from None
    except UnidentifiedImageError:
        raise _not_a_picture(source, name) from None
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(Problem("error", name, f"the file cannot be read: {error.strerror}", "check the path and its permissions")) from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, … on damaged bytes
        found = f"the picture is truncated or damaged ({error})"
        raise DataError(Problem("error", name, found, "replace the file or remove it; `--on-error skip` leaves it out")) from None


def _to_array(image: Image.Image) -> np.ndarray:
    if "exif" in image.info or image.format != "JPEG":  # asking for the entry costs a third of decoding a small JPEG
        image = ImageOps.exif_transpose(image)
    transparent = image.mode in _ALPHA or "transparency" in image.info
    if transparent:
        image = _on_white(image)
    elif image.mode in ("1", "L"):
        image = image.convert("L") if image.mode == "1" else image
    elif image.mode.startswith(("I", "F")):
        return _to_8_bits(np.asarray(image))[:, :, None]
    elif image.mode != "RGB":
        image = image.convert("RGB")
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _on_white(image: Image.Image) -> Image.Image:
    """What a page shows of a picture with transparency; grey stays grey."""
    grey = image.mode in ("1", "L", "LA", "La")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layered).convert("L" if grey else "RGB")


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """16-bit (or wider) grey values as uint8: 0 … 65535 → 0 … 255; values up to 255 stay."""
    if values.dtype.kind == "f":
        raise ValueError("pixels are fractions; save the picture with 8 or 16 bits a channel")
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise ValueError(f"pixels range from {values.min()} to {values.max()}; save the picture with 8 or 16 bits a channel")
    if values.dtype.itemsize > 2 and (values.size == 0 or values.max() <= 255):
        return values.astype(np.uint8)
    return np.round(values / 257).astype(np.uint8)


def size_in(pictures: Pictures, index: int) -> tuple[int, int]:
    """(width, height) of a store's picture as it is seen: by its header where it is kept encoded; (0, 0) where it cannot be told."""
    while isinstance(pictures, Chosen):
        index = int(pictures.index[index])
        pictures = pictures.pictures
    if isinstance(pictures, Stored):
        return upright_size(pictures.source(index))
    try:
        height, width = pictures.read(index).shape[:2]
    except DataError:  # said where it is decoded
        return 0, 0
    return width, height


def upright_size(source: Path | bytes) -> tuple[int, int]:
    """(width, height) of a picture as it is seen, by its header alone; (0, 0) where there is none to be read."""
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            width, height = image.size
            turned = image.format != "PNG" and image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # whatever is wrong with it is said where it is decoded
        return 0, 0
    return (height, width) if turned else (width, height)


def _bomb(name: str, pixels: int) -> DataError:
    found = f"the picture claims {pixels:,} pixels, more than the {PIXELS:,} that are allowed (a decompression bomb?)"
    return DataError(Problem("error", name, found, "shrink the picture or remove it"))


def _not_a_picture(source: Path | bytes, name: str) -> DataError:
    head = source[:24] if isinstance(source, bytes) else _head(source)
    if not head:
        return DataError(Problem("error", name, "the file is empty (0 bytes)", "copy it again or remove it"))
    text = head.decode("utf-8", "replace")
    shown = f"{text!r}" if text.isprintable() or "\n" in text else f"bytes {head[:8].hex(' ')}"
    return DataError(Problem("error", name, f"this is not a picture: it begins with {shown}", "remove it, or save it as JPEG or PNG"))


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(24)


@runtime_checkable
class Stored(Protocol):
    """Pictures that are kept as encoded bytes."""

    def __len__(self) -> int: ...

    def source(self, index: int) -> Path | bytes:
        """The encoded picture, or the file that holds it."""
        ...


def modes(stored: Stored, among: Sequence[int] | np.ndarray) -> Counter[str]:
    """How many pictures are of which kind, by the headers of up to 100 of `among`, evenly spread; unreadable ones are passed over."""
    found: Counter[str] = Counter()
    for place in np.unique(np.linspace(0, len(among) - 1, min(LOOKED_AT, len(among))).astype(np.int64)):
        try:
            source = stored.source(int(among[place]))
            with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
                transparent = image.mode in _ALPHA or "transparency" in image.info
                found["transparent" if transparent else image.mode] += 1
        except Exception:  # whatever is wrong with it is said where it is decoded
            continue
    return found


def mode_notes(found: Counter[str]) -> list[str]:
    """What is done with pictures that are neither plain grey nor RGB, one line each."""
    said = {
        "transparent": "transparent pictures are laid on white",
        "P": "palette pictures become RGB",
        "CMYK": "CMYK pictures become RGB",
        "I;16": "16-bit pictures become 8-bit",
        "1": "black-and-white pictures become grey",
    }
    total = sum(found.values())
    return [f"{line} ({found[mode]} of {total} looked at)" for mode, line in said.items() if found[mode]]


@dataclass(frozen=True)
class FilePictures:
    """Pictures in files of their own; `names` is what to call them."""

    paths: Sequence[Path]
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        """Picture `index` as uint8 (height, width, channels)."""
        return decode(self.paths[index], self.names[index], at_least)

    def name(self, index: int) -> str:
        return self.names[index]

    def source(self, index: int) -> Path:
        """The file that holds picture `index`."""
        return self.paths[index]


@dataclass(frozen=True)
class ArrayPictures:
    """Pictures that lie in memory as uint8 (picture, height, width, channels), called `origin[number]`."""

    array: np.ndarray
    origin: str

    def __len__(self) -> int:
        return len(self.array)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        """Picture `index` as uint8 (height, width, channels)."""
        return self.array[index]

    def name(self, index: int) -> str:
        return f"{self.origin}[{index}]"

    def names(self) -> list[str]:
        """All names."""
        return [f"{self.origin}[{index}]" for index in range(len(self.array))]
