"""What is drawn of segmentations: planes that keep their numbers, overlays, backgrounds blurred without bleeding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonde.data.drawing import colours_of
from sonde.data.readers.mask_planes import VOID
from sonde.errors import UsageError
from sonde.explain.background import blur_background
from sonde.explain.segmentation import Artist, label_picture, overlay
from sonde.segments import Segments

CLASSES = ("sky", "road", "car")


def scene(channels: int = 3) -> Segments:
    plane = np.zeros((40, 60), dtype=np.uint8)
    plane[20:] = 1
    plane[10:30, 20:40] = 2
    pixels = np.full((40, 60, channels), 200, dtype=np.uint8)
    pixels[plane == 2] = 10
    return Segments("a/b/street.png", pixels, plane)


def test_colours_differ_for_any_number_of_classes() -> None:
    for count in (3, 12, 40):
        assert len(set(colours_of([str(i) for i in range(count)], None))) == count
    assert colours_of(["a", "b"], [[1, 2, 3], [4, 5, 6]]) == [(1, 2, 3), (4, 5, 6)]


def test_a_label_picture_keeps_class_numbers(tmp_path: Path) -> None:
    plane = scene().plane
    plane[0, 0] = VOID
    label_picture(plane, colours_of(CLASSES, None)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as found:
        assert found.mode == "P"
        assert np.array_equal(np.asarray(found), plane)
        colours = np.asarray(found.convert("RGB"))
    assert tuple(colours[0, 0]) == (0, 0, 0)
    assert tuple(colours[15, 25]) == colours_of(CLASSES, None)[2]


@pytest.mark.parametrize("channels", [1, 3])
def test_an_overlay_leaves_places_without_a_class(channels: int) -> None:
    found = scene(channels)
    plane = found.plane.copy()
    plane[:, :10] = VOID
    drawn = overlay(found.pixels, plane, [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    assert drawn.shape == (40, 60, 3)
    assert (drawn[:, :9] == 200).all()
    assert tuple(drawn[5, 50]) == (round(0.55 * 200 + 0.45 * 255), 110, 110)
    assert tuple(drawn[10, 30]) == (0, 0, 255)  # an edge


@pytest.mark.parametrize("channels", [1, 3])
def test_the_background_is_blurred_and_the_rest_is_not(channels: int) -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (120, 160, channels), dtype=np.uint8)
    keep = np.zeros((120, 160), dtype=bool)
    keep[40:80, 60:100] = True
    found = blur_background(pixels, keep)
    assert found.shape == pixels.shape
    assert np.array_equal(found[44:76, 64:96], pixels[44:76, 64:96])
    assert found[:30].std() < 0.4 * pixels[:30].std()
    assert np.array_equal(blur_background(pixels, np.ones_like(keep)), pixels)


def test_what_stays_sharp_does_not_bleed_into_the_ground() -> None:
    pixels = np.full((100, 100, 3), 200, dtype=np.uint8)
    keep = np.zeros((100, 100), dtype=bool)
    keep[30:70, 30:70] = True
    pixels[keep] = 0
    found = blur_background(pixels, keep, strength=0.1)
    assert (found[:25] >= 199).all()
    assert (found[:, 75:] >= 199).all()


def test_pictures_are_written_under_the_names_of_their_pictures(tmp_path: Path) -> None:
    artist = Artist(tmp_path / "new" / "folder", CLASSES, blur="car")
    artist(scene())
    artist(scene(1))
    names = [f"street{number}{kind}.png" for number in ("", "-2") for kind in ("", "-overlay", "-blurred")]
    assert sorted(path.name for path in artist.written) == sorted(names)
    assert all(path.is_file() for path in artist.written)
    with Image.open(tmp_path / "new" / "folder" / "street-2-blurred.png") as grey:
        assert grey.mode == "L"


def test_what_makes_no_sense_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no class 'cars'\n.*did you mean 'car'"):
        Artist(tmp_path, CLASSES, blur="cars")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="this folder cannot be written"):
        Artist(tmp_path / "file", CLASSES)
