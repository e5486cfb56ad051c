"""Parallel text in files by language: train.en and train.de, of which line n says the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers.text_files import TextFile, part_named
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
        pair = files[stem]
        sides = []
        for name in (source, target):
            found = pair[name].read(data.on_error)
            assert found is not None
            text, said = found
            notes += [f"{pair[name].where}: {note}" for note in said]
            sides.append(text.removesuffix("\n").split("\n"))
            used.append(pair[name].path)
        if len(sides[0]) != len(sides[1]):
            found_here = f"{pair[source].name} has {len(sides[0]):,} lines and {pair[target].name} {len(sides[1]):,}, so they are no pairs"
            raise DataError(Problem("error", str(origin), found_here, "line n of both files must say the same: look for where they part"))
        frame = pl.DataFrame({source: sides[0], target: sides[1]})
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
