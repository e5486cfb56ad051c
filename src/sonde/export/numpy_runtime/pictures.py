"""Pictures as uint8 (picture, channel, size, size): arrays always, files and other sizes where Pillow is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .columns import read_array
from .idx import NAME, read_idx
from .problem import PredictError

Image: Any
ImageOps: Any
try:
    from PIL import Image, ImageOps
except ImportError:
    Image = ImageOps = None

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
PIXELS = 89_478_485  # a picture may hold so many: a small file can claim far more
_ORIENTATION = 0x0112  # the EXIF entry that says how the camera was held
_ALPHA = frozenset({"LA", "La", "RGBA", "RGBa", "PA"})


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """Names and pictures from an array (n, height, width[, channels]), a .npy, .npz or IDX file, picture files, or a folder of them."""
    fitted = preprocessing["preparation"]
    size, channels = fitted["size"], fitted["channels"]
    called, pictures = read_pictures(source, at_least=size)
    out = np.empty((len(pictures), channels, size, size), dtype=np.uint8)
    for place, picture in enumerate(pictures):
        out[place] = fit_square(picture, size, channels, called[place])
    return called, (out,)


def fit_square(picture: np.ndarray, size: int, channels: int, name: str) -> np.ndarray:
    """A picture uint8 (height, width, channel) as (channels, size, size): shorter side scaled, middle square kept."""
    height, width = picture.shape[:2]
    if picture.shape[2] != channels:
        picture = np.repeat(picture, 3, axis=2) if channels == 3 else grey(picture)
    if (height, width) != (size, size):
        if Image is None:
            what = f"the picture has {width}×{height} pixels, and the model reads {size}×{size}"
            raise PredictError(what, where=name, remedy=f"bring pictures to {size}×{size}, or install Pillow (pip install pillow)")
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        image = Image.fromarray(picture[:, :, 0] if channels == 1 else picture)
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side), reducing_gap=2.0)
        picture = np.asarray(image).reshape(size, size, channels)
    return picture.transpose(2, 0, 1)


def grey(picture: np.ndarray) -> np.ndarray:
    """RGB to brightness in 16-bit fractions, as Pillow has it (ITU-R 601-2)."""
    return ((picture.astype(np.uint32) @ np.array([19595, 38470, 7471], dtype=np.uint32) + 0x8000) >> 16).astype(np.uint8)[:, :, None]


class Files:
    """Pictures in files, decoded one at a time when they are asked for: uint8 (height, width, channels).

    Of a JPEG a fraction of its size is decoded that keeps `at_least` pixels a side, 0: all of it.
    """

    def __init__(self, paths: Sequence[Path], *, at_least: int) -> None:
        self.paths, self.at_least = paths, at_least

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> np.ndarray:
        return _decode(self.paths[place], self.at_least)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (_decode(path, self.at_least) for path in self.paths)


def read_pictures(source: Any, *, at_least: int) -> tuple[list[str], Files | np.ndarray]:
    """Names and pictures uint8 (height, width, channels) of whatever `encode` takes; `at_least` as Files has it."""
    if isinstance(source, np.ndarray):
        array = _from_array(source, "the array")
        return [f"arrays[{place}]" for place in range(len(array))], array
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.suffix.lower() in (".npy", ".npz"):
            array = _from_array(read_array(path), str(path))
            return [f"{path.stem}[{place}]" for place in range(len(array))], array
        if NAME.search(path.name):
            array = _from_array(read_idx(path), str(path))
            return [f"{path.resolve().parent.name}[{place}]" for place in range(len(array))], array
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and not _hidden(file.relative_to(path)))
            called = [f"{path.resolve().name}/{file.relative_to(path).as_posix()}" for file in files]
        else:
            files, called = [path], [str(path)]
    elif isinstance(source, Sequence) and all(isinstance(each, (str, Path)) for each in source):
        files, called = [Path(each) for each in source], [str(each) for each in source]
    else:
        remedy = "give an array (n, height, width[, channels]), a .npy or IDX file, picture files, or a folder of them"
        raise PredictError(f"pictures cannot be read from {type(source).__name__}", where="the data", remedy=remedy)
    if not files:
        raise PredictError("there is no picture here", where=str(source), remedy="give a folder of pictures, or an array")
    return called, Files(files, at_least=at_least)


def _hidden(path: Path) -> bool:
    return any(piece.startswith(".") for piece in path.parts)


def _from_array(x: np.ndarray, where: str) -> np.ndarray:
    """uint8 (number, height, width, channels) from channels last, first or none; values 0 … 1 (fractions) or 0 … 255."""
    if x.ndim == 3:
        x = x[..., None]
    elif x.ndim == 4 and x.shape[-1] not in (1, 2, 3, 4) and x.shape[1] in (1, 2, 3, 4):
        x = x.transpose(0, 2, 3, 1)
    remedy = "give pictures as uint8 from 0 to 255, (number, height, width) or (number, height, width, channels)"
    if x.ndim != 4 or x.shape[-1] not in (1, 2, 3, 4) or x.dtype.kind not in "buif":
        raise PredictError(f"an array of shape {x.shape} and type {x.dtype} holds no pictures", where=where, remedy=remedy)
    if x.dtype == np.bool_:
        x = x.astype(np.uint8) * 255
    elif x.dtype != np.uint8:
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
        if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 255:
            raise PredictError(f"pictures have values from {low:g} to {high:g}", where=where, remedy=remedy)
        x = np.round(x * 255 if x.dtype.kind == "f" and high <= 1 else x).astype(np.uint8)
    if x.shape[-1] in (2, 4):  # the last channel is opacity: laid on white
        opacity = x[..., -1:].astype(np.uint16)
        x = ((x[..., :-1] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return x


def _decode(path: Path, at_least: int) -> np.ndarray:
    """One picture as uint8 (height, width, channels), turned as its EXIF entry says; a JPEG at a fraction of its size that suffices."""
    if Image is None:
        remedy = "install Pillow (pip install pillow), or give the pictures as an array (.npy)"
        raise PredictError("picture files are read by Pillow, which is not installed", where=str(path), remedy=remedy)
    try:
        with Image.open(path) as image:
            if image.width * image.height > PIXELS:
                raise ValueError(f"it claims {image.width * image.height:,} pixels, more than the {PIXELS:,} that are allowed")
            if at_least:
                image.draft(None, (at_least, at_least))
            return _to_array(image)
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, … on damaged bytes
        raise PredictError(f"the picture cannot be read ({error})", where=str(path), remedy="replace the file or leave it out") from None


def whole_size(path: Path, pixels: np.ndarray) -> tuple[int, int]:
    """(height, width) as it is seen of a picture of which `pixels` were decoded, a JPEG perhaps at a fraction of its size."""
    with Image.open(path) as image:
        if image.format not in ("JPEG", "MPO"):
            return pixels.shape[0], pixels.shape[1]
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return (image.width, image.height) if turned else (image.height, image.width)


def _to_array(image: Any) -> np.ndarray:
    """Pixels as the run has them: transparency on white, palettes and CMYK as RGB, 16 bits as 8."""
    if "exif" in image.info or image.format != "JPEG":
        image = ImageOps.exif_transpose(image)
    if image.mode in _ALPHA or "transparency" in image.info:
        plain = image.mode in ("1", "L", "LA", "La")
        layered = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layered.size, (255, 255, 255, 255)), layered).convert("L" if plain else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode.startswith(("I", "F")):
        return _to_8_bits(np.asarray(image))[:, :, None]
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Grey values 0 … 65535 → 0 … 255; values of more than 16 bits that stay under 256 are left."""
    if values.dtype.kind == "f" or (values.size and (values.min() < 0 or values.max() > 65535)):
        raise ValueError("save the picture with 8 or 16 bits a channel")
    if values.dtype.itemsize > 2 and (values.size == 0 or values.max() <= 255):
        return values.astype(np.uint8)
    return np.round(values / 257).astype(np.uint8)
