"""Running text: files, folders, parts by names, gzip, archives, texts larger than memory, and what is no text."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from sonde.data.open import open_data
from sonde.data.readers import encodings, text_files
from sonde.errors import DataError
from sonde.recipe import Data

NOVEL = "It was night.\n\nNobody knew, why\r\nthe lamp was out.\rSo it went on\n"
LINES = ["It was night.\n", "\n", "Nobody knew, why\n", "the lamp was out.\n", "So it went on\n"]


def rows(path: Path, part: str = "all", **data: object) -> list[str]:
    return open_data(path, Data(**data)).parts[part].frame["text"].to_list()  # type: ignore[arg-type,index]


def test_rows_are_lines_with_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_bytes(NOVEL.encode())
    content = open_data(path)
    assert (content.kind, content.reason, content.target) == ("text", f"a text of {len(''.join(LINES))} characters", None)
    assert content.examples.frame["text"].to_list() == LINES
    assert [content.examples.line(row) for row in range(5)] == [1, 2, 3, 4, 5]
    (tmp_path / "novel.txt.gz").write_bytes(gzip.compress(NOVEL.encode()))
    assert rows(tmp_path / "novel.txt.gz") == LINES


def test_a_line_of_a_million_characters_becomes_rows_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("short\n" + "x" * 1_000_000 + "\nend", encoding="utf-8")
    examples = open_data(path).examples
    assert "".join(examples.frame["text"]) == path.read_text(encoding="utf-8")
    assert len(examples) == 102
    assert [examples.line(row) for row in (0, 1, 100, 101)] == [1, 2, 2, 3]


def test_files_of_a_folder_follow_each_other_or_are_parts(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text(f"{name} says this\n", encoding="utf-8")
    (tmp_path / "README.txt").write_text("about\n", encoding="utf-8")
    content = open_data(tmp_path)
    assert content.examples.frame["text"].to_list() == ["a.txt says this\n", "b.txt says this\n"]
    assert content.reason == "2 texts of 32 characters"
    parts = tmp_path / "parts"
    parts.mkdir()
    for name in ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"):
        (parts / name).write_text(f"{name}\n", encoding="utf-8")
    content = open_data(parts)
    assert {part: examples.frame["text"][0] for part, examples in content.parts.items()} == {
        "train": "ptb.train.txt\n", "validation": "ptb.valid.txt\n", "test": "ptb.test.txt\n",
    }  # fmt: skip


def test_texts_in_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "novel.zip", "w") as archive:
        archive.writestr("novel/_about.txt", "who wrote it")
        archive.writestr("novel/novel.txt", NOVEL)
    assert rows(tmp_path / "novel.zip") == LINES
    with zipfile.ZipFile(tmp_path / "novel.zip", "a") as archive:
        archive.writestr("novel/other.txt", NOVEL)
    with pytest.raises(DataError, match=r"there are 2 texts in this archive \(novel/novel.txt, novel/other.txt\)"):
        open_data(tmp_path / "novel.zip")


def test_with_a_target_lines_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "new.txt"
    path.write_text("a fine film\n\n  \nnever again\n", encoding="utf-8")
    content = open_data(path, Data(target=("label",)))
    assert content.examples.frame["text"].to_list() == ["a fine film", "never again"]
    assert [content.examples.line(row) for row in (0, 1)] == [1, 4]
    assert content.notes == ("2 blank lines were left out",)
    path.write_text("\n \n", encoding="utf-8")
    with pytest.raises(DataError, match="is empty"):
        open_data(path, Data(target=("label",)))


def test_a_table_in_a_txt_file_stays_one_unless_it_is_said_to_be_text(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("Hello, world\nGood, bye\n", encoding="utf-8")
    assert open_data(path).kind == "table"
    assert open_data(path, Data(tokenizer="words", target=("label",))).kind == "text"


def test_text_larger_than_memory_is_mapped_and_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "big.txt"
    text = "".join(f"Line {number} of the größte book{', and on' * (number % 3)}.\r\n" for number in range(3_000))
    path.write_bytes(text.encode())
    whole = open_data(path)
    monkeypatch.setattr(text_files, "LARGE", 10_000)
    monkeypatch.setattr(encodings, "BLOCK", 8_192)
    for _ in range(2):  # made, then found
        mapped = open_data(path)
        assert mapped.examples.frame.equals(whole.examples.frame)
        assert (mapped.examples.lines == whole.examples.lines).all()  # type: ignore[union-attr]
        assert mapped.reason == whole.reason
    assert len(list((tmp_path / "cache" / "texts").glob("*.arrow"))) > 5
    packed = tmp_path / "big.txt.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert open_data(packed).examples.frame.equals(whole.examples.frame)
    for file in (tmp_path / "cache" / "texts").glob("*-1.arrow"):
        file.unlink()
    with pytest.raises(DataError, match="pieces of this text are missing in the cache"):
        open_data(path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b" \n \n", r"n.txt: the file is empty \(4 bytes\)"),
        ("gut\ngrößer\n".encode() + b"\xe4\n", r"n.txt, line 3: byte 0xe4 at offset 13 is no UTF-8"),
    ],
)
def test_what_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "n.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        open_data(path)


def test_a_damaged_gzip_file(tmp_path: Path) -> None:
    (tmp_path / "n.txt.gz").write_bytes(gzip.compress(NOVEL.encode() * 50)[:-20])
    with pytest.raises(DataError, match="this text cannot be read"):
        open_data(tmp_path / "n.txt.gz")
