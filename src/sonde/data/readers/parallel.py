"""Parallel text in files by language: train.en and train.de, of which line n says the same."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers import text_files
from sonde.data.readers.encodings import texts
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.row_files import CHUNK, Pieces, mapped_rows
from sonde.data.readers.text_files import TextFile, even_ends, part_named
from sonde.data.readers.two_columns import to_pairs
from sonde.errors import DataError, Problem
from sonde.recipe import Data

_LANGUAGE = re.compile(r"^[a-z]{2,3}([_-][A-Za-z]{2,4})?$")
# Endings of two and three letters that are no languages.
_OTHER: Final = frozenset(
    ("txt", "tsv", "csv", "tab", "dat", "gz", "bz2", "xz", "zip", "tar", "tgz", "jpg", "png", "gif", "bmp", "tif", "npy", "npz", "pt", "bin", "idx")
    + ("py", "md", "sh", "js", "ts", "cc", "cpp", "go", "rs", "rb", "xml", "yml", "doc", "pdf", "log", "ini", "cfg", "ref", "src", "bpe", "bak", "old")
)


def language(name: str) -> str | None:
    """The language that a file's ending names: `de` of train.de; None where it names none."""
    stem, mark, ending = name.rpartition(".")
    return ending if mark and stem and _LANGUAGE.match(ending) and ending.lower() not in _OTHER else None


def parallel_files(paths: Sequence[Path]) -> dict[str, dict[str, TextFile]]:
    """Files by name without ending, then by language, of those that come in two languages or more."""
    found: dict[str, dict[str, TextFile]] = defaultdict(dict)
    for path in paths:
        file = TextFile(path)
        ending = language(file.name)
        if ending is not None:
            found[file.name.rpartition(".")[0]][ending] = file
    return {stem: files for stem, files in found.items() if len(files) > 1}


def read_parallel(files: dict[str, dict[str, TextFile]], data: Data, *, origin: Path) -> Content:
    """Pairs of lines; which language is read and which is written `--text` and `--target` say (of two: in the order of letters).

    Raises
    ------
    DataError
        More than two languages where none were named, files whose numbers of lines differ (both are said), and what
        `TextFile.read` refuses.
    """
    source, target, notes = _languages(files, data, origin)
    parts: dict[Part, Examples] = {}
    used: list[Path] = []
    for part, stem in _parts(files, source, target, origin, notes).items():
        frame, said = _pairs(files[stem][source], files[stem][target], (source, target), data.on_error, origin)
        notes += said
        used += [files[stem][name].path for name in (source, target)]
        parts[part] = Examples(frame, lines=np.arange(1, frame.height + 1))
    content = Content(
        kind="table",
        origin=str(origin),
        name=origin.resolve().name,
        reason="",
        parts=parts,
        fingerprint=of_files(used),
        files=tuple(used),
        notes=tuple(notes),
    )
    return to_pairs(content, source=source, target=target)


def _pairs(first: TextFile, second: TextFile, names: tuple[str, str], on_error: OnError, origin: Path) -> tuple[pl.DataFrame, list[str]]:
    """Lines of both files side by side, and what is to be said; of large files mapped from the cache."""
    sides: list[Iterator[str]] = []
    notes: list[str] = []
    large = False
    for file in (first, second):
        found = file.read(on_error, text_files.LARGE)
        large |= found is None
        pieces, said = texts(file.open, file.where, on_error) if found is None else (iter([found[0]]), found[1])
        notes += [f"{file.where}: {note}" for note in said]
        sides.append(_lines(pieces))
    rows = _side_by_side(sides, names, (first.name, second.name), origin)
    if large:
        told = f"parallel 1 {of_files([first.path, second.path])} {first.where} {second.where} {names} {on_error}"
        return mapped_rows(hashlib.sha256(told.encode()).hexdigest()[:32], rows, {})[0], notes
    return pl.concat([frame for frame, _ in rows]), notes


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    for piece in pieces:
        yield from even_ends(piece).removesuffix("\n").split("\n")


def _side_by_side(sides: list[Iterator[str]], names: tuple[str, str], files: tuple[str, str], origin: Path) -> Pieces:
    """Some pairs of lines at a time, with their numbers. Raises DataError where one file has more lines."""
    done = 0
    while True:
        some = [list(itertools.islice(side, CHUNK)) for side in sides]
        if len(some[0]) != len(some[1]):
            counts = [done + len(few) + sum(1 for _ in side) for few, side in zip(some, sides, strict=True)]
            found = f"{files[0]} has {counts[0]:,} lines and {files[1]} {counts[1]:,}, so they are no pairs"
            raise DataError(Problem("error", str(origin), found, "line n of both files must say the same: look for where they part"))
        if not some[0]:
            return
        yield pl.DataFrame(dict(zip(names, some, strict=True)), schema=dict.fromkeys(names, pl.String)), np.arange(done + 1, done + len(some[0]) + 1)
        done += len(some[0])


def _languages(files: dict[str, dict[str, TextFile]], data: Data, origin: Path) -> tuple[str, str, list[str]]:
    known = sorted({name for found in files.values() for name in found})
    asked = next(iter(data.target), None)
    asked = None if asked == "target" and asked not in known else asked
    for flag, name in (("--text", data.text), ("--target", asked)):
        if name is not None and name not in known:
            raise DataError(Problem("error", str(origin), f"there is no language {name!r}", f"{flag} is one of {', '.join(known)}"))
    rest = [name for name in known if name not in (data.text, asked)]
    if len(known) > 2 and (data.text is None or asked is None):
        found = f"there are {len(known)} languages: {', '.join(known)}"
        raise DataError(Problem("error", str(origin), found, f"say which is read and which is written: --text {known[1]} --target {known[0]}"))
    source = data.text or rest[0]
    target = asked or next(name for name in known if name != source)
    if source == target:
        raise DataError(Problem("error", str(origin), f"--text and --target both name {source!r}", "name two languages"))
    said = [] if data.text or asked else [f"{source} is read and {target} written; --text {target} --target {source} turns that round"]
    return source, target, said


def _parts(files: dict[str, dict[str, TextFile]], source: str, target: str, origin: Path, notes: list[str]) -> dict[Part, str]:
    """Which files stand for which part. Of several for one part the first is taken, which is said."""
    stems = sorted(stem for stem, found in files.items() if source in found and target in found)
    if not stems:
        raise DataError(Problem("error", str(origin), f"no file comes in both {source} and {target}", "put both beside each other"))
    if len(stems) == 1:
        return {"all": stems[0]}
    parts: dict[Part, str] = {}
    for stem in stems:
        part = part_named(stem)
        if part is None or part in parts:
            why = "no part is named so" if part is None else f"the {part} part is {parts[part]}"
            notes.append(f"{stem}.{source} and {stem}.{target} were left out: {why}")
        else:
            parts[part] = stem
    if "train" not in parts:
        shown = ", ".join(stems[:8])
        found = f"there are {len(stems)} pairs of files ({shown}), and none is named train"
        raise DataError(Problem("error", str(origin), found, "name them train, valid and test"))
    return {part: parts[part] for part in ("train", "validation", "test") if part in parts}
