"""Encodings: told from the bytes, said where guessed, broken bytes named by line and offset; large files as small ones."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from sonde.data.readers import encodings
from sonde.data.readers.encodings import decoded, texts
from sonde.errors import DataError

TEXT = "Zürich\nist größer\nals Oslo\n"


def opened(raw: bytes) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(raw)


@pytest.mark.parametrize(
    ("raw", "notes"),
    [
        (TEXT.encode(), []),
        (TEXT.encode("utf-8-sig"), []),
        (TEXT.encode("utf-16"), ["the file is UTF-16"]),
        (TEXT.encode("utf-16-be"), ["the file was read as UTF-16 (big endian), as every other byte is zero"]),
        (TEXT.encode("utf-16-le"), ["the file was read as UTF-16 (little endian), as every other byte is zero"]),
        (TEXT.encode("utf-32"), ["the file is UTF-32"]),
        (TEXT.encode("cp1252"), ["line 1 is not UTF-8 (byte 0xfc), so the file was read as Windows-1252"]),
    ],
)
def test_each_encoding_gives_the_text(raw: bytes, notes: list[str]) -> None:
    assert decoded(raw, "t.txt") == (TEXT, notes)
    pieces, said = texts(opened(raw), "t.txt", "stop")
    assert ("".join(pieces), said) == (TEXT, notes)


def test_what_windows_does_not_have_is_latin_1() -> None:
    text, notes = decoded(b"a\x81b\n", "t.txt")
    assert text == "a\x81b\n"
    assert notes == ["line 1 is not UTF-8 (byte 0x81), so the file was read as Latin-1"]


MIXED = "eins\nzwei größer\n".encode() + "drei Bären\nvier\nfünf\n".encode("latin-1")


def test_mixed_encodings_are_refused_with_every_place() -> None:
    with pytest.raises(DataError) as caught:
        decoded(MIXED, "t.txt")
    assert [problem.where for problem in caught.value.problems] == ["t.txt, line 3", "t.txt, line 5"]
    assert caught.value.problems[0].found == f"byte 0xe4 at offset {MIXED.index(0xE4)} is no UTF-8, and 1 other line is UTF-8"
    assert "save the whole as UTF-8" in caught.value.problems[0].remedy
    with pytest.raises(DataError, match=r"t.txt, line 3"):
        texts(opened(MIXED), "t.txt", "stop")


def test_such_lines_are_emptied_and_counted_under_skip() -> None:
    expected = "eins\nzwei größer\n\nvier\n\n", ["2 lines were emptied, as their bytes are no UTF-8 (3, 5)"]
    assert decoded(MIXED, "t.txt", "skip") == expected
    pieces, notes = texts(opened(MIXED), "t.txt", "skip")
    assert ("".join(pieces), notes) == expected


def test_many_broken_lines_are_counted() -> None:
    with pytest.raises(DataError) as caught:
        decoded("ä\n".encode() + b"\xff\n" * 15, "t.txt")
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1].found == "5 more lines are no UTF-8"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", r"t.txt: the file is empty \(0 bytes\)"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "t.txt: this is not text"),
        ("größer".encode("utf-16") + b"\0", r"t.txt: the bytes from offset 14 on are no UTF-16"),
    ],
)
def test_what_is_no_text(raw: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decoded(raw, "t.txt")


def test_blocks_end_with_lines_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK", 8)
    for codec in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        raw = (TEXT * 20).encode(codec)
        pieces, _ = texts(opened(raw), "t.txt", "stop")
        found = list(pieces)
        assert "".join(found) == TEXT * 20
        assert len(found) > 10
        assert all(piece.endswith("\n") for piece in found)
