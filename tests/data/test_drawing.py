"""Objects drawn on their picture."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.data.drawing import LEAST, PALETTE, Shown, colour_of, draw

GREY = np.full((300, 600, 3), 128, dtype=np.uint8)


def close_to(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels.astype(int) - np.array(colour)).max(2) < 3


def test_a_box_stands_where_it_is() -> None:
    colour = colour_of(0)
    drawn = np.asarray(draw(GREY, [Shown((100.0, 50.0, 300.0, 200.0), "", colour)]))
    assert drawn.shape == GREY.shape
    rows, columns = np.nonzero(close_to(drawn, colour))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (100, 50, 300, 200)
    assert close_to(drawn[100:150, 150:250], (128, 128, 128)).all(), "what is inside stays to be seen"


@pytest.mark.parametrize("box", [(-20.0, -20.0, 900.0, 900.0), (590.0, 290.0, 600.0, 300.0), (0.0, 0.0, 1.0, 1.0), (400.0, 200.0, 380.0, 150.0)])
def test_boxes_at_the_edge_have_frame_and_tag_within(box: tuple[float, float, float, float]) -> None:
    drawn = np.asarray(draw(GREY, [Shown(box, "raccoon 0.93", colour_of(1))]))
    plate = close_to(drawn, colour_of(1))
    assert plate.sum() > 500, "the tag's plate"
    _, columns = np.nonzero(plate)
    assert columns.max() - columns.min() >= 60, "the tag is whole"


@pytest.mark.parametrize("number", range(len(PALETTE)))
def test_letters_stand_out_from_their_plate(number: int) -> None:
    colour = colour_of(number)
    drawn = np.asarray(draw(GREY, [Shown((100.0, 100.0, 300.0, 200.0), "MMM", colour)]))
    letters = drawn[close_to(drawn, (0, 0, 0)) | close_to(drawn, (255, 255, 255))]
    own = letters[0].astype(float)

    def luminance(rgb: np.ndarray) -> float:
        linear = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(own), luminance(np.array(colour, dtype=float))])
    assert (high + 0.05) / (low + 0.05) > 4.5, "the contrast that WCAG asks of text"


def test_tags_do_not_cover_each_other() -> None:
    boxes = [Shown((100.0, 100.0 + 3 * n, 300.0, 200.0 + 3 * n), "cat 0.50", colour_of(n)) for n in range(3)]
    drawn = np.asarray(draw(GREY, boxes))
    widths = [close_to(drawn, colour_of(n)).sum() for n in range(3)]
    assert min(widths) > 700, widths


def test_masks_colour_what_they_cover_and_small_pictures_are_enlarged() -> None:
    mask = np.zeros((30, 60), dtype=bool)
    mask[10:20, 10:50] = True
    drawn = draw(np.full((30, 60, 1), 200, dtype=np.uint8), [Shown((10.0, 10.0, 50.0, 20.0), "", (255, 0, 0), mask=mask)])
    assert max(drawn.size) == LEAST
    pixels = np.asarray(drawn).astype(int)
    factor = LEAST / 60
    middle = pixels[round(15 * factor), round(30 * factor)]
    assert middle[0] > middle[1] + 60
    assert np.ptp(pixels[5, 5]) == 0, "beside the mask nothing changes"


def test_dashes_and_no_objects() -> None:
    assert np.array_equal(np.asarray(draw(GREY, [])), GREY)
    drawn = np.asarray(draw(GREY, [Shown((-50.0, 50.0, 300.0, 400.0), "", (255, 255, 255), dashed=True)]))
    assert close_to(drawn, (255, 255, 255)).sum() > 100
    assert not close_to(drawn[60:], (255, 255, 255))[:, :40].any(), "no line where the box goes on outside"
