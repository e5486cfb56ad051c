"""Parallel text in files by language."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sonde.data.open import open_data
from sonde.errors import DataError
from sonde.recipe import Data

SAID = {"en": ["Two dogs run.", "A man sleeps.", "It rains."], "de": ["Zwei Hunde rennen.", "Ein Mann schläft.", "Es regnet."]}
SAID["fr"] = ["Deux chiens courent.", "Un homme dort.", "Il pleut."]


def write(folder: Path, *names: str, packed: bool = False) -> None:
    for name in names:
        text = "".join(f"{line}\n" for line in SAID[name.rsplit(".", 1)[-1]])
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())


@pytest.mark.parametrize("packed", [False, True])
def test_two_files_are_pairs_line_by_line(tmp_path: Path, packed: bool) -> None:
    write(tmp_path, "text.en", "text.de", packed=packed)
    content = open_data(tmp_path)
    assert (content.kind, content.target) == ("pairs", "target")
    assert content.examples.frame.rows() == list(zip(SAID["de"], SAID["en"], strict=True))
    assert content.notes == ("de is read and en written; --text en --target de turns that round",)
    turned = open_data(tmp_path, Data(text="en", target=("de",)))
    assert turned.examples.frame.rows() == list(zip(SAID["en"], SAID["de"], strict=True))
    assert turned.reason == "3 pairs of sentences from 'en' to 'de'"
    assert turned.examples.line(2) == 3


def test_parts_and_what_is_left_out(tmp_path: Path) -> None:
    stems = ("train", "val", "test_2016_flickr", "test_2017_flickr", "other")
    write(tmp_path, *[f"{stem}.{language}" for stem in stems for language in ("en", "de")])
    content = open_data(tmp_path, Data(text="en", target=("de",)))
    assert list(content.parts) == ["train", "validation", "test"]
    assert content.notes == (
        "other.en and other.de were left out: no part is named so",
        "test_2017_flickr.en and test_2017_flickr.de were left out: the test part is test_2016_flickr",
    )


def test_of_three_languages_two_are_named(tmp_path: Path) -> None:
    write(tmp_path, "train.en", "train.de", "train.fr")
    with pytest.raises(DataError, match=r"there are 3 languages: de, en, fr\n  → say which is read and which is written: --text en --target de"):
        open_data(tmp_path)
    with pytest.raises(DataError, match=r"there is no language 'nl'\n  → --target is one of de, en, fr"):
        open_data(tmp_path, Data(text="en", target=("nl",)))
    with pytest.raises(DataError, match="--text and --target both name 'en'"):
        open_data(tmp_path, Data(text="en", target=("en",)))
    assert open_data(tmp_path, Data(text="fr", target=("en",))).examples.frame.row(0) == ("Deux chiens courent.", "Two dogs run.")


def test_files_of_different_lengths_are_no_pairs(tmp_path: Path) -> None:
    write(tmp_path, "train.en", "train.de")
    (tmp_path / "train.de").write_text("Zwei Hunde rennen.\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train.de has 1 lines and train.en 3, so they are no pairs"):
        open_data(tmp_path)


def test_an_empty_line_on_one_side_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "train.en", "train.de")
    (tmp_path / "train.de").write_text("Zwei Hunde rennen.\n\nEs regnet.\n", encoding="utf-8")
    content = open_data(tmp_path)
    assert len(content.examples) == 2
    assert [problem.found for problem in content.problems] == ["a pair with a blank side was left out"]
    assert content.problems[0].where.endswith(", line 2")


def test_several_pairs_without_a_training_part(tmp_path: Path) -> None:
    write(tmp_path, "one.en", "one.de", "two.en", "two.de")
    with pytest.raises(DataError, match=r"there are 2 pairs of files \(one, two\), and none is named train"):
        open_data(tmp_path)
