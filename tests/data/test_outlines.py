"""Polygons and run-length codes, by hand and against pycocotools on real annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sonde.data.outlines import decode_runs, encode_runs, fill_polygons, runs


def test_a_square_covers_the_pixels_whose_centres_it_holds() -> None:
    (mask,) = fill_polygons([np.array([[1, 1], [4, 1], [4, 3], [1, 3]])], (5, 6))
    expected = np.zeros((5, 6), dtype=bool)
    expected[1:3, 1:4] = True
    assert (mask == expected).all()
    # Half a pixel to the right and down the centres stand on the edge: left and upper edges belong to it, the others do not.
    (moved,) = fill_polygons([np.array([[1.5, 1.5], [4.5, 1.5], [4.5, 3.5], [1.5, 3.5]])], (5, 6))
    assert (moved == expected).all()


def test_a_triangle_row_by_row() -> None:
    (mask,) = fill_polygons([np.array([[0, 0], [4, 0], [0, 4]])], (4, 4))
    assert mask.sum(1).tolist() == [4, 3, 2, 1] or mask.sum(1).tolist() == [3, 2, 1, 0]
    assert mask[0, 0] and not mask[3, 3]


def test_a_polygon_that_crosses_itself_is_hollow_where_it_covers_twice() -> None:
    twice = np.array([[0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [1, 1], [3, 1], [3, 3], [1, 3], [1, 1]])
    (mask,) = fill_polygons([twice], (4, 4))
    assert mask.sum() == 12 and not mask[1:3, 1:3].any()


def test_what_lies_beyond_the_picture_is_cut_and_nothing_is_nothing() -> None:
    planes = fill_polygons([np.array([[-5, -5], [50, -5], [50, 50], [-5, 50]]), np.array([[9, 9], [12, 9], [12, 12]])], (4, 5))
    assert planes[0].all() and not planes[1].any()
    assert fill_polygons([], (4, 5)).shape == (0, 4, 5)


def test_runs_go_down_columns_and_begin_with_nothing() -> None:
    mask = decode_runs({"size": [2, 3], "counts": [1, 2, 3]})
    assert mask.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert encode_runs(mask, compressed=False) == {"size": [2, 3], "counts": [1, 2, 3]}
    assert encode_runs(np.ones((2, 2)), compressed=False)["counts"] == [0, 4]


@given(arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_codes_come_back(mask: np.ndarray) -> None:
    assert (decode_runs(encode_runs(mask)) == mask).all()
    assert (decode_runs(encode_runs(mask, compressed=False)) == mask).all()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ({"size": [2, 3], "counts": [1, 2, 2]}, "counts 5 pixels, and its picture of 2×3 has 6"),
        ({"size": [2, 3], "counts": [7, -1]}, "counts 6 pixels"),
        ({"size": [2, 3]}, "no run-length code"),
        ({"counts": [6]}, "no run-length code"),
        ({"size": [2, 3], "counts": "P"}, "no run-length code"),
        ({"size": [2, 3], "counts": "é"}, "no run-length code"),
        ({"size": [2, 3], "counts": [1, "x"]}, "no run-length code"),
    ],
)
def test_codes_of_the_wrong_length_say_so(code: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        runs(code)


def test_as_pycocotools_on_real_annotations(sonde_data: Path) -> None:
    """Codes are equal. Its polygons are drawn on a grid five times finer and may take in a pixel more along the edge; ours go by centres."""
    peer = pytest.importorskip("pycocotools.mask")
    table = json.loads((sonde_data / "coco_tiny" / "instances_train2017.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in table["images"]}
    shares, beyond, pixels = [], 0, 0
    crowds = [each for each in table["annotations"] if each["iscrowd"]]
    for each in [*table["annotations"][::9], *crowds]:
        size, outline = sizes[each["image_id"]], each["segmentation"]
        codes = peer.frPyObjects(outline, *size)
        theirs = peer.decode(codes if isinstance(outline, dict) else peer.merge(codes)).astype(bool)
        packed = peer.encode(np.asfortranarray(theirs.astype(np.uint8)))
        assert encode_runs(theirs)["counts"] == packed["counts"].decode()
        assert (decode_runs({"size": list(size), "counts": packed["counts"].decode()}) == theirs).all()
        if isinstance(outline, dict):
            assert (decode_runs(outline) == theirs).all()
            continue
        mine = fill_polygons([np.array(polygon).reshape(-1, 2) for polygon in outline], size).any(0)
        shares.append((mine & theirs).sum() / max((mine | theirs).sum(), 1))
        # Wherever the two differ, the edge is next to it: a pixel of the peer's mask with a neighbour that is not, or the other way round.
        padded = np.pad(theirs, 1, mode="edge")
        around = [padded[1 + down : 1 + down + size[0], 1 + right : 1 + right + size[1]] for down in (-1, 0, 1) for right in (-1, 0, 1)]
        edge = np.any(around, axis=0) & ~np.all(around, axis=0)
        beyond, pixels = beyond + int(((mine != theirs) & ~edge).sum()), pixels + int(theirs.sum())
    assert beyond <= 1e-4 * pixels  # slivers thinner than a pixel
    assert min(shares) > 0.85 and float(np.mean(shares)) > 0.975
