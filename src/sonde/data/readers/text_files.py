"""Files of text: plain, gzipped, or a member of an archive; which part of the data each is, by its name."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonde.data.contents import Part
from sonde.data.readers.archives import Archive, is_archive, open_archive
from sonde.data.readers.class_folders import PART_NAMES
from sonde.data.readers.encodings import decoded
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.pictures import is_picture
from sonde.errors import DataError, Problem

PLAIN: Final = (".txt", ".text")
TAGGED: Final = (".conll", ".conll2003", ".iob", ".iob2", ".bio", ".bioes", ".ner", ".annotated")
TABBED: Final = (".tsv", ".tab")
LOOKED_AT: Final = 65_536  # bytes of a file that its form is told from
LARGE: Final = 256 * 2**20  # bytes of text that are held in memory at most
# Files that describe a set and are none of its texts.
_ABOUT = re.compile(r"^(readme|licen[cs]e|copying|about|source|changelog|sha\d+sums)\b|^[._]", re.IGNORECASE)


@dataclass(frozen=True)
class TextFile:
    """A file of text. `member`: its number in `archive`, where it stands in one."""

    path: Path
    archive: Archive | None = None
    member: int = 0

    @property
    def where(self) -> str:
        """What to call it in messages."""
        return str(self.path) if self.archive is None else f"{self.path}:{self.archive.members[self.member]}"

    @property
    def name(self) -> str:
        """Its own name, without folders and without `.gz`."""
        inner = self.path.name if self.archive is None else self.archive.members[self.member].rsplit("/", 1)[-1]
        return inner[:-3] if inner.lower().endswith(".gz") else inner

    @property
    def suffix(self) -> str:
        """Its last ending, `.txt` of `a.txt.gz`."""
        return "." + self.name.lower().rsplit(".", 1)[-1] if "." in self.name else ""

    def open(self) -> io.BufferedIOBase:
        """The bytes of the text, unpacked."""
        if self.archive is None:
            return gzip.open(self.path) if self.path.name.lower().endswith(".gz") else self.path.open("rb")
        raw = io.BytesIO(self.archive.source(self.member))
        return gzip.open(raw) if self.archive.members[self.member].lower().endswith(".gz") else raw

    def head(self) -> bytes:
        """The first LOOKED_AT bytes; none of a damaged file, which its reader complains about."""
        try:
            with self.open() as stream:
                return stream.read(LOOKED_AT)
        except (OSError, EOFError, zlib.error):
            return b""

    def read(self, on_error: OnError = "stop", limit: int | None = None) -> tuple[str, list[str]] | None:
        """The whole text with `\\n` at every line's end, and what is to be said; None where it has more than `limit` bytes.

        Raises DataError for a file that is damaged, empty or of mixed encodings.
        """
        try:
            with self.open() as stream:
                raw = stream.read() if limit is None else stream.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(Problem("error", self.where, f"this text cannot be read ({error})", "fetch or write the file again")) from None
        if limit is not None and len(raw) > limit:
            return None
        text, notes = decoded(raw, self.where, on_error)
        return even_ends(text), notes


def even_ends(text: str) -> str:
    """Every line's end as `\\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def members_of(path: Path, suffixes: Sequence[str]) -> list[TextFile]:
    """The texts in an archive, files that describe it aside; none where it holds pictures."""
    if not is_archive(path):
        return []
    archive = open_archive(path)
    if any(is_picture(name) for name in archive.members):
        return []
    found = [TextFile(path, archive, number) for number in range(len(archive))]
    return [file for file in found if file.suffix in suffixes and not _ABOUT.match(file.name)]


def is_about(name: str) -> bool:
    """Whether a file of this name describes the data and is none of them."""
    return _ABOUT.match(name) is not None


def part_named(name: str) -> Part | None:
    """The part that a file's name speaks of: train.de, emerging.dev.conll, wnut17train.conll, test_2016_flickr.en."""
    words = [word for word in re.split(r"[-_. 0-9]", name.lower()) if word]
    found = [PART_NAMES[word] for word in words if word in PART_NAMES]
    if not found:
        found = [part for word in words for ending, part in PART_NAMES.items() if word.endswith(ending) and len(word) > len(ending)]
    return found[0] if len(set(found)) == 1 else None


def by_part(files: Sequence[TextFile]) -> dict[Part, TextFile] | None:
    """One file: "all". Several: one a part, by their names; None where these do not say so."""
    if len(files) == 1:
        return {"all": files[0]}
    named = {part_named(file.name): file for file in files}
    if None in named or len(named) < len(files) or "train" not in named:
        return None
    return {part: named[part] for part in ("train", "validation", "test") if part in named}
