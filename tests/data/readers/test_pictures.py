"""Pictures of every kind come out as grey or RGB bytes; what cannot be decoded is named."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sonde.data.readers import pictures
from sonde.data.readers.pictures import ArrayPictures, FilePictures, decode, is_picture, mode_notes, modes
from sonde.errors import DataError


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def ramp(mode: str = "RGB", size: tuple[int, int] = (6, 4)) -> Image.Image:
    values = np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(size[1], size[0], 3)
    return Image.fromarray(values, "RGB").convert(mode)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("1", 1), ("P", 3), ("RGBA", 3), ("LA", 1), ("I;16", 1)])
def test_modes(mode: str, channels: int) -> None:
    image = Image.fromarray(np.full((4, 6), 257 * 7, dtype=np.uint16)) if mode == "I;16" else ramp(mode)
    pixels = decode(encoded(image), "x.png")
    assert pixels.shape == (4, 6, channels)
    assert pixels.dtype == np.uint8


def test_colours_are_kept() -> None:
    assert np.array_equal(decode(encoded(ramp()), "x.png"), np.asarray(ramp()))
    assert np.array_equal(decode(encoded(ramp("P")), "x.png"), np.asarray(ramp("P").convert("RGB")))


def test_sixteen_bits_are_scaled() -> None:
    values = np.array([[0, 257, 65535]], dtype=np.uint16)
    assert decode(encoded(Image.fromarray(values)), "x.png")[:, :, 0].tolist() == [[0, 1, 255]]


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (200, 0, 0, 128))
    clear, half = decode(encoded(image), "x.png")[0]
    assert clear.tolist() == [255, 255, 255]
    assert half[0] == pytest.approx(227, abs=1)
    assert half[1] == pytest.approx(127, abs=1)
    grey = decode(encoded(Image.new("LA", (1, 1), (0, 0))), "x.png")
    assert grey.tolist() == [[[255]]]


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([10, 20, 30])
    assert decode(encoded(image, transparency=0), "x.png").tolist() == [[[255, 255, 255]]]


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    red = decode(encoded(image, "JPEG", quality=100), "x.jpg")[0, 0]
    assert red[0] > 240
    assert red[1] < 20


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (1, 2)), (6, (0, 1)), (8, (2, 0))])
def test_exif_rotation(orientation: int, corner: tuple[int, int]) -> None:
    """A white pixel in the corner of a 3 × 2 picture goes where its EXIF entry says."""
    image = Image.new("L", (3, 2), 0)
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(image, exif=exif), "x.png")
    assert pixels.shape == ((2, 3, 1) if orientation in (1, 3) else (3, 2, 1))
    assert tuple(int(place) for place in np.argwhere(pixels[:, :, 0] == 255)[0]) == corner
    jpeg = decode(encoded(image.resize((30, 20)), "JPEG", exif=exif), "x.jpg")
    assert jpeg.shape == ((20, 30, 1) if orientation in (1, 3) else (30, 20, 1))


def test_a_png_called_jpg_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(encoded(ramp()))
    assert FilePictures([file], ["x.jpg"]).read(0).shape == (4, 6, 3)


def test_first_frame_of_a_moving_picture() -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    assert decode(stream.getvalue(), "x.gif")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"cat/1.jpg: the file is empty \(0 bytes\)\n  → copy it again or remove it"),
        (b"hello, I am a text\n", r"cat/1.jpg: this is not a picture: it begins with 'hello, I am a text.*\n  → remove it, or save it as JPEG or PNG"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", r"this is not a picture: it begins with bytes 00 01 02 03 04 05 06 07"),
        (encoded(ramp(size=(60, 40)), "JPEG")[:400], r"cat/1.jpg: the picture is truncated or damaged"),
        (encoded(ramp(size=(60, 40)))[:80], r"cat/1.jpg: the picture is truncated or damaged \(.*\)\n  → replace the file or remove it; `--on-error skip`"),
    ],
)
def test_what_cannot_be_decoded_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        decode(data, "cat/1.jpg")
    file = tmp_path / "1.jpg"
    file.write_bytes(data)
    with pytest.raises(DataError, match=message):
        FilePictures([file], ["cat/1.jpg"]).read(0)


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG file that claims these sizes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize("side", [100_000, 12_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs_are_refused(side: int) -> None:
    with pytest.raises(DataError, match=rf"bomb.png: the picture claims {side * side:,} pixels, more than the 89,478,485 that are allowed"):
        decode(png_header(side, side), "bomb.png")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    store = FilePictures([tmp_path / "gone.jpg", tmp_path], ["gone.jpg", "folder"])
    with pytest.raises(DataError, match=r"gone.jpg: the file cannot be read: No such file"):
        store.read(0)
    with pytest.raises(DataError, match=r"folder: the file cannot be read: Is a directory"):
        store.read(1)


def test_fractions_as_pixels_are_refused() -> None:
    image = Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32))
    with pytest.raises(DataError, match=r"pixels are fractions; save the picture with 8 or 16 bits"):
        decode(encoded(image, "TIFF"), "x.tif")


def test_notes_say_what_is_done_with_unusual_pictures(tmp_path: Path) -> None:
    files = []
    for place, image in enumerate([ramp(), ramp("RGBA"), ramp("P"), ramp("LA")]):
        files.append(tmp_path / f"{place}.png")
        image.save(files[-1])
    files.append(tmp_path / "text.png")
    files[-1].write_text("no picture")
    store = FilePictures(files, [file.name for file in files])
    found = modes(store, range(len(files)))
    assert found == {"RGB": 1, "transparent": 2, "P": 1}
    assert mode_notes(found) == ["transparent pictures are laid on white (2 of 4 looked at)", "palette pictures become RGB (1 of 4 looked at)"]


def test_only_some_headers_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.png"
    ramp().save(file)
    monkeypatch.setattr(pictures, "LOOKED_AT", 10)
    assert sum(modes(FilePictures([file] * 1000, ["x"] * 1000), range(1000)).values()) == 10


def test_arrays_as_pictures() -> None:
    store = ArrayPictures(np.zeros((2, 3, 4, 1), dtype=np.uint8), "digits")
    assert (len(store), store.read(1).shape, store.name(1), store.names()) == (2, (3, 4, 1), "digits[1]", ["digits[0]", "digits[1]"])


def test_names_of_pictures() -> None:
    assert is_picture("a/b.JPG")
    assert is_picture("b.webp")
    assert not is_picture("b.txt")
    assert not is_picture("jpg")
