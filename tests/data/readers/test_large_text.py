"""Labelled and parallel text larger than memory: read some lines at a time into files, once, and mapped from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sonde.data.contents import Content, Examples
from sonde.data.open import open_data
from sonde.data.prepare import columns
from sonde.data.prepare.columns import build_columns
from sonde.data.prepare.text import fit_text
from sonde.data.readers import encodings, filled_rows, parallel, text_files
from sonde.data.split import Selection
from sonde.errors import DataError
from sonde.recipe import Data

ROWS = 2_000


def sentence(number: int) -> str:
    return f" Sentence {number} is größer{', and on' * (number % 3)}. "


def write(folder: Path, kind: str) -> Path:
    """Rows with blank sides, a header, and empty lines among them."""
    folder.mkdir()
    if kind == "parallel":
        for language in ("de", "en"):
            lines = ["" if number == 700 and language == "de" else f"{language}: {sentence(number)}" for number in range(ROWS)]
            (folder / f"train.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder
    if kind == "labelled":
        rows = [f"{'' if number == 5 else sentence(number)}\t{number % 2}" for number in range(ROWS)]
        rows = ["sentence\tlabel", *rows[:100], "", *rows[100:]]
    elif kind == "table":
        rows = ["text,label,other", *(f'"{sentence(number)}",{"good" if number % 2 else "bad"},{number}' for number in range(ROWS))]
    else:
        rows = [f"{sentence(number)}\tDas ist {sentence(number + 1)}" for number in range(ROWS)]
        rows[3] = "left\t "
    path = folder / ("rows.csv" if kind == "table" else "rows.tsv")
    path.write_text("".join(f"{row}\r\n" for row in rows), encoding="utf-8")
    return path


def opened(path: Path, kind: str) -> Content:
    return open_data(path, Data(text="text", target=("label",)) if kind == "table" else Data())


@pytest.mark.parametrize("kind", ["labelled", "pairs", "parallel", "table"])
def test_mapped_and_in_memory_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    path = write(tmp_path / "data", kind)
    whole = opened(path, kind)
    assert not list((tmp_path / "cache").glob("texts/*"))
    monkeypatch.setattr(text_files, "LARGE", 10_000)
    monkeypatch.setattr(encodings, "BLOCK", 8_192)
    for module in (parallel, filled_rows):
        monkeypatch.setattr(module, "CHUNK", 300)
    for _ in range(2):  # made, then found
        mapped = opened(path, kind)
        assert (mapped.kind, mapped.target, mapped.reason, mapped.notes) == (whole.kind, whole.target, whole.reason, whole.notes)
        assert mapped.problems == whole.problems
        for part, examples in whole.parts.items():
            assert mapped.parts[part].frame.equals(examples.frame)
            lines = [content.parts[part].lines for content in (mapped, whole)]
            assert (lines[0] is None and lines[1] is None) or np.array_equal(*lines)  # type: ignore[arg-type]
    assert len(list((tmp_path / "cache").glob("texts/*.arrow"))) > 3
    assert bool(whole.problems) == (kind != "table")


def test_what_is_wrong_is_said_of_large_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(text_files, "LARGE", 10_000)
    monkeypatch.setattr(encodings, "BLOCK", 8_192)
    path = write(tmp_path / "pairs", "pairs")
    with path.open("a", encoding="utf-8") as file:
        file.write("one\ttwo\tthree\n")
    for _ in range(2):
        assert [(problem.where, problem.found) for problem in open_data(path).problems if problem.level == "error"] == [
            (f"{path}, line {ROWS + 1}", "this line has 3 columns, and others two")
        ]
    folder = write(tmp_path / "parallel", "parallel")
    with (folder / "train.en").open("a", encoding="utf-8") as file:
        file.write("one more\n")
    with pytest.raises(DataError, match=r"train\.de has 2,000 lines and train\.en 2,001, so they are no pairs"):
        open_data(folder)


MEASURE = """
import sys, threading, time
from pathlib import Path
from sonde.data.open import open_data
from sonde.data.readers import encodings, text_files
from sonde.data.readers import row_files, filled_rows, parallel
from sonde.recipe import Data

text_files.LARGE, encodings.BLOCK = int(sys.argv[2]), 2**20
for module in (filled_rows, parallel):
    module.CHUNK = 8_192
def anonymous():
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024
open_data(Path(sys.argv[3]), Data())  # a small one, so that everything is loaded
most, going = [0.0], [True]
def watch():
    while going[0]:
        most[0] = max(most[0], anonymous())
        time.sleep(0.002)
before = anonymous()
thread = threading.Thread(target=watch)
thread.start()
content = open_data(Path(sys.argv[1]), Data())
going[0] = False
thread.join()
print(content.kind, len(content.examples), max(0.0, most[0] - before))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_it_takes_a_fraction_of_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    small = write(tmp_path / "small", "pairs")
    path = tmp_path / "large.tsv"
    size = 40 * 2**20
    line = "".join(f"A sentence of some length {number:08d} goes here.\tEin Satz mit der Nummer {number:08d} steht hier.\n" for number in range(10_000))
    with path.open("w", encoding="utf-8") as file:
        for _ in range(size // len(line)):
            file.write(line)

    def taken(limit: int) -> float:
        done = subprocess.run([sys.executable, "-c", MEASURE, str(path), str(limit), str(small)], capture_output=True, text=True, check=True)
        kind, rows, megabytes = done.stdout.split()
        assert (kind, int(rows)) == ("pairs", 10_000 * (size // len(line)))
        return float(megabytes)

    assert 4 * taken(4 * 2**20) < taken(2**30)


def test_tokens_of_large_frames_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are encoded some at a time into files are what they are in memory."""
    examples = Examples(pl.DataFrame({"source": [sentence(number) for number in range(ROWS)]}))
    prep = fit_text(Selection(examples, np.arange(ROWS)), Data(), column="source", window=0)
    whole = build_columns(prep, None, examples)
    monkeypatch.setattr(columns, "CHUNK", 10_000)
    mapped = build_columns(prep, None, examples, cache=tmp_path, fingerprint="a", memory_limit=1_000)
    assert mapped.mapped
    assert not whole.mapped
    for one, other in zip(mapped.inputs, whole.inputs, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())
