"""Pictures at their working size: sizes, channels, undecodable ones, statistics of the training part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.making import everything, pictures
from sonde.data.prepare.images import ImagePreparation, decode, fit_images, fit_square
from sonde.data.readers.pictures import FilePictures
from sonde.data.split import Selection
from sonde.errors import DataError
from sonde.recipe import Data

RANDOM = np.random.default_rng(0)


def grey(height: int = 28, width: int = 28, count: int = 5) -> list[np.ndarray]:
    return [RANDOM.integers(0, 256, (height, width, 1), dtype=np.uint8) for _ in range(count)]


def colour(height: int, width: int, count: int = 5) -> list[np.ndarray]:
    return [RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def fitted(given: list[np.ndarray], data: Data | None = None) -> ImagePreparation:
    return fit_images(everything(pictures(given, [0] * len(given))), data or Data())


def test_pictures_of_one_small_size_keep_their_pixels() -> None:
    given = grey()
    prep = fitted(given)
    assert prep.sizes == {"channels": 1, "size": 28}
    (encoded,) = prep.encode(pictures(given, [0] * 5).examples)
    assert encoded.dtype == np.uint8
    np.testing.assert_array_equal(encoded, np.stack(given).transpose(0, 3, 1, 2))
    scaled = np.stack(given) / 255
    assert prep.mean == pytest.approx((scaled.mean(),))
    assert prep.std == pytest.approx((scaled.std(),))


@pytest.mark.parametrize(
    ("given", "asked", "size"),
    [
        (colour(300, 400, 2) + colour(200, 150, 2), None, 96),
        (colour(30, 40, 2) + colour(50, 60, 1), None, 30),
        (colour(96, 96), None, 96),
        (colour(128, 128), None, 96),
        (colour(32, 32), 64, 64),
        (colour(20, 30), None, 20),
    ],
)
def test_the_working_size(given: list[np.ndarray], asked: int | None, size: int) -> None:
    prep = fitted(given, Data(size=asked))
    assert prep.sizes == {"channels": 3, "size": size}
    assert prep.encode(pictures(given, [0] * len(given)).examples)[0].shape == (len(given), 3, size, size)


def test_one_coloured_picture_makes_three_channels() -> None:
    given = grey(8, 8, 3) + colour(8, 8, 1)
    prep = fitted(given)
    assert prep.channels == 3
    (encoded,) = prep.encode(pictures(given, [0] * 4).examples)
    assert (encoded[0, 0] == encoded[0, 2]).all()
    assert fit_square(colour(8, 8, 1)[0], 8, 1).shape == (1, 8, 8)


def test_the_middle_square_is_kept() -> None:
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, 20:60] = 255
    assert (fit_square(picture, 40, 3) == 255).all()
    assert (fit_square(picture, 10, 3)[:, :, 1:-1] == 255).all()


def test_pictures_that_cannot_be_decoded_are_all_listed() -> None:
    content = pictures([*grey(8, 8, 2), None, *grey(8, 8, 1), None], [0] * 5)
    prep = fit_images(everything(content), Data())
    with pytest.raises(DataError, match=r"cats/2\.png: the file is truncated\n.*copy it again\ncats/4\.png") as error:
        prep.encode(content.examples)
    assert [problem.example for problem in error.value.problems] == [2, 4]
    (encoded,), problems = prep.inspect(content.examples, np.array([4, 3]))
    assert [problem.example for problem in problems] == [4]
    assert encoded[0].max() == 0
    assert encoded[1].max() > 0
    with pytest.raises(DataError, match=r"cats/0\.png: none of 2 training pictures can be decoded"):
        fit_images(everything(pictures([None, None], [0, 1])), Data())


def test_statistics_are_those_of_the_training_part() -> None:
    train = grey(8, 8, 6)
    one = pictures([*train, *grey(8, 8, 4)], [0] * 10)
    other = pictures([*train, *colour(50, 60, 4)], [0] * 10)
    rows = np.arange(6)
    assert fit_images(Selection(one.examples, rows), Data()) == fit_images(Selection(other.examples, rows), Data())


@given(st.integers(0, 300))
@settings(max_examples=20, deadline=None)
def test_threads_keep_the_order(count: int) -> None:
    stored = pictures([np.full((1, 1, 1), row % 251, np.uint8) for row in range(count)], [0] * count).examples.pictures
    assert stored is not None
    rows = np.random.default_rng(count).permutation(count)
    found = list(decode(stored, rows))
    assert [place for place, _, _ in found] == list(range(count))
    assert [row for _, row, _ in found] == rows.tolist()
    assert all(not isinstance(picture, DataError) and int(picture[0, 0, 0]) == row % 251 for _, row, picture in found)


def test_plain_data_hold_it() -> None:
    prep = fitted(colour(10, 10))
    assert ImagePreparation.from_json(json.loads(json.dumps(prep.to_json()))) == prep
    assert prep.normalisation == {"kind": "images", "mean": list(prep.mean), "std": list(prep.std)}
    assert "colour, 10×10 pixels: the size that all have" in prep.describe()[0]["why"]


def test_rows_without_pictures_are_refused() -> None:
    examples = pictures(grey(8, 8, 1), [0]).examples
    with pytest.raises(DataError, match=r"there are no pictures\n.*give a folder, an archive or a table that names them"):
        fitted(grey(8, 8, 1)).encode(type(examples)(examples.frame))


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path: Path) -> None:
    y, x = np.mgrid[0:480, 0:640] / 640 * 255
    smooth = np.stack([x, y, 255 - x], axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "photo.jpg", quality=95)
    stored = FilePictures([tmp_path / "photo.jpg"], ["photo.jpg"])
    assert stored.read(0).shape == (480, 640, 3)
    assert stored.read(0, 96).shape == (120, 160, 3)
    assert stored.read(0, 200).shape == (240, 320, 3)
    whole, drafted = fit_square(stored.read(0), 96, 3), fit_square(stored.read(0, 96), 96, 3)
    assert np.abs(whole.astype(int) - drafted.astype(int)).mean() < 2
