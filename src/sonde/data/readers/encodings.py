"""Bytes to text: the encoding told from the bytes, said where it is not UTF-8, broken bytes named by line and offset.

A byte order mark decides. Without one: zeros in every other byte are UTF-16; what is valid UTF-8 is UTF-8; where no byte
beyond ASCII is, Windows-1252 is the guess (Latin-1 where even that has no such letter). Where some lines are UTF-8 and
others are not, two encodings are mixed or bytes are broken, and no guess would be right.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sonde.data.readers.leave_out import OnError
from sonde.errors import DataError, Problem

# UTF-32's first, as its mark begins with UTF-16's.
_MARKS: Final = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_SAID: Final = {"utf-16": "UTF-16", "utf-16-le": "UTF-16 (little endian)", "utf-16-be": "UTF-16 (big endian)", "utf-32": "UTF-32"}
_NAMED: Final = 10  # lines with broken bytes that are named
_LOOKED_AT: Final = 4_096  # bytes that tell text from binary files
BLOCK: Final = 16 * 2**20  # bytes of a large file that are decoded at a time
_BEYOND_ASCII = re.compile(rb"[^\n]*[\x80-\xff][^\n]*")
_BROKEN = re.compile("[^\n]*[\udc80-\udcff][^\n]*")

Open = Callable[[], io.BufferedIOBase]


@dataclass(frozen=True)
class Survey:
    """The lines of a file that are not plain ASCII: how many are UTF-8, and (line, offset, byte) of those that are not."""

    good: int
    bad: tuple[tuple[int, int, int], ...]


def decoded(raw: bytes, where: str, on_error: OnError = "stop") -> tuple[str, list[str]]:
    """The text of a file, and what is to be said about its encoding.

    Raises
    ------
    DataError
        An empty or a binary file; two encodings in one file, or broken bytes, each named by line and offset (with
        `on_error` skip such lines are emptied, and counted in a note).
    """
    if not raw.strip():
        raise DataError(Problem("error", where, f"the file is empty ({len(raw)} bytes)", "copy or export it again"))
    codec, notes = told(raw[:_LOOKED_AT], where)
    try:
        return raw.decode(codec), notes
    except UnicodeDecodeError as error:
        if codec not in ("utf-8", "utf-8-sig"):
            raise _cut_off(error.start, codec, where) from None
    found = survey([raw])
    if not found.good:
        return _guessed(raw, where, found)
    note = mixed(found, where, on_error)
    return _BROKEN.sub("", raw.decode(codec, "surrogateescape")), [note]


def told(head: bytes, where: str) -> tuple[str, list[str]]:
    """Python's name of the encoding that the first bytes speak of, and what is to be said. Raises DataError for a binary file."""
    codec = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if codec is None:
        codec = "utf-8"
        if b"\0" in head:
            pairs = len(head) // 2
            left, right = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
            if max(left, right) * 2 < pairs or min(left, right) * 10 > pairs:
                raise DataError(Problem("error", where, "this is not text", "export the table as CSV in UTF-8, a text as plain text in UTF-8"))
            codec = "utf-16-le" if right > left else "utf-16-be"
            return codec, [f"the file was read as {_SAID[codec]}, as every other byte is zero"]
    return codec, [f"the file is {_SAID[codec]}"] if codec in _SAID else []


def survey(blocks: Iterator[bytes] | list[bytes]) -> Survey:
    """What stands beyond ASCII in the blocks of a file, each of which ends with a line."""
    good, bad, line, offset = 0, [], 1, 0
    for block in blocks:
        before = 0
        for found in _BEYOND_ASCII.finditer(block):
            line += block.count(b"\n", before, found.start())
            before = found.start()
            try:
                found.group().decode("utf-8")
                good += 1
            except UnicodeDecodeError as error:
                place = found.start() + error.start
                bad.append((line, offset + place, block[place]))
        line += block.count(b"\n", before)
        offset += len(block)
    return Survey(good, tuple(bad))


def mixed(found: Survey, where: str, on_error: OnError) -> str:
    """The note under "skip". Raises DataError under "stop"."""
    others = f"{found.good:,} other {'line is' if found.good == 1 else 'lines are'} UTF-8"
    remedy = "two encodings are mixed, or bytes are broken: save the whole as UTF-8, or empty such lines with --on-error skip"
    problems = [
        Problem("error", f"{where}, line {line}", f"byte {byte:#04x} at offset {offset:,} is no UTF-8, and {others}", remedy)
        for line, offset, byte in found.bad[:_NAMED]
    ]
    if on_error == "stop":
        if len(found.bad) > _NAMED:
            problems.append(Problem("error", where, f"{len(found.bad) - _NAMED:,} more lines are no UTF-8", remedy))
        raise DataError(problems)
    lines = ", ".join(str(line) for line, _, _ in found.bad[:_NAMED]) + (", …" if len(found.bad) > _NAMED else "")
    one = len(found.bad) == 1
    return f"{len(found.bad):,} {'line was' if one else 'lines were'} emptied, as {'its' if one else 'their'} bytes are no UTF-8 ({lines})"


def _guessed(raw: bytes, where: str, found: Survey) -> tuple[str, list[str]]:
    codec, note = guess(found, raw)
    return raw.decode(codec), [note]


def guess(found: Survey, raw: bytes) -> tuple[str, str]:
    """The encoding of a file in which no byte beyond ASCII is UTF-8, and what is to be said."""
    line, _, byte = found.bad[0]
    note = f"line {line} is not UTF-8 (byte {byte:#04x}), so the file was read as Windows-1252"
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1", note.replace("Windows-1252", "Latin-1")
    return "cp1252", note


def _cut_off(offset: int, codec: str, where: str) -> DataError:
    found = f"the bytes from offset {offset:,} on are no {_SAID[codec]}"
    return DataError(Problem("error", where, found, "the file is damaged or cut off: copy it again, or save it as UTF-8"))


def blocks(open_file: Open) -> Iterator[bytes]:
    """The bytes of a file, some at a time, each block ending with a line (a line longer than a block with itself)."""
    with open_file() as stream:
        while block := stream.read(BLOCK):
            yield block + stream.readline()


def texts(open_file: Open, where: str, on_error: OnError) -> tuple[Iterator[str], list[str]]:
    """As `decoded` for a file larger than memory: its text, some lines at a time. A file that is not UTF-8 is read twice."""
    with open_file() as stream:
        codec, notes = told(stream.read(_LOOKED_AT), where)
    if codec not in ("utf-8", "utf-8-sig"):
        return _decoded_on(open_file, codec, where), notes
    if _is_utf8(open_file):
        return (_at_start(block.decode("utf-8")) for block in blocks(open_file)), notes
    found = survey(blocks(open_file))
    if found.good:
        note = mixed(found, where, on_error)
        return (_at_start(_BROKEN.sub("", block.decode("utf-8", "surrogateescape"))) for block in blocks(open_file)), [note]
    codec, note = guess(found, b"".join({bytes([byte]) for _, _, byte in found.bad}))
    return (block.decode(codec, "replace") for block in blocks(open_file)), [note]


def _is_utf8(open_file: Open) -> bool:
    try:
        for block in blocks(open_file):
            block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _at_start(text: str) -> str:
    return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


def _decoded_on(open_file: Open, codec: str, where: str) -> Iterator[str]:
    """A file of two or four bytes a letter: blocks may end inside one."""
    decoder, offset, rest = codecs.getincrementaldecoder(codec)(), 0, ""
    with open_file() as stream:
        while True:
            block = stream.read(BLOCK)
            try:
                text = rest + decoder.decode(block, not block)
            except UnicodeDecodeError as error:
                raise _cut_off(offset + error.start, codec, where) from None
            offset += len(block)
            whole, mark, rest = text.rpartition("\n") if block else (text, "", "")
            if whole or mark:
                yield whole + mark
            if not block:
                return
