"""Running text as one array of tokens: in memory, or mapped from a file that is written once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sonde.data.contents import Examples
from sonde.data.prepare import stream
from sonde.data.prepare import text as texts
from sonde.data.prepare.stream import build_stream
from sonde.data.prepare.text import TextPreparation, fit_text
from sonde.data.prepare.tokenizers import UNKNOWN
from sonde.data.prepare.unknown import unknown_tokens
from sonde.data.split import Selection
from sonde.errors import DataError
from sonde.recipe import Data

LINES = [f"Line {number}, and on.\n" for number in range(50)] + ["\n", "größer\n"]
EXAMPLES = Examples(pl.DataFrame({"text": LINES}))


def fitted(rows: int = len(LINES), **data: object) -> TextPreparation:
    return fit_text(Selection(EXAMPLES, np.arange(rows)), Data(**data), column="text", window=8)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokenizer", ["characters", "words", "bpe", "wordpiece"])
def test_mapped_and_in_memory_are_the_same(tokenizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prep = fitted(tokenizer=tokenizer, floor=1)
    memory, starts = build_stream(prep, EXAMPLES, cache=tmp_path, fingerprint="a")
    assert not memory.mapped
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(stream, "MEMORY", 100)
    monkeypatch.setattr(stream, "CHUNK", 7)
    for _ in range(2):  # made, then found
        mapped, again = build_stream(prep, EXAMPLES, cache=tmp_path, fingerprint="a")
        assert mapped.mapped
        assert mapped.window == memory.window == 8
        assert np.array_equal(mapped.inputs[0].numpy(), memory.inputs[0].numpy())
        assert np.array_equal(again, starts)
        assert len(list(tmp_path.iterdir())) == 2
    assert len(starts) == len(LINES) + 1
    assert starts[-1] == len(memory)
    for row in (0, 3, 51):
        assert prep.tokenizer.decode(memory.inputs[0][starts[row] : starts[row + 1]].tolist()).strip() == LINES[row].strip()


def test_another_tokeniser_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MEMORY", 100)
    for prep in (fitted(), fitted(text_form="lower"), fitted(rows=3)):
        build_stream(prep, EXAMPLES, cache=tmp_path, fingerprint="a")
    build_stream(fitted(), EXAMPLES, cache=tmp_path, fingerprint="b")
    assert len(list(tmp_path.glob("*.tokens.npy"))) == 4


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MEMORY", 100)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="the tokens of the text cannot be kept here"):
        build_stream(fitted(), EXAMPLES, cache=tmp_path / "file" / "cache", fingerprint="a")


def test_fitting_looks_at_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: fitted(tokenizer=name).to_json() for name in ("characters", "words", "bpe", "wordpiece")}
    monkeypatch.setattr(texts, "CHUNK", 7)
    assert {name: fitted(tokenizer=name).to_json() for name in whole} == whole


def test_what_the_training_part_does_not_know_is_counted() -> None:
    prep = fitted(rows=51)
    columns, starts = build_stream(prep, EXAMPLES)
    assert int((columns.inputs[0] == UNKNOWN).sum()) == 5
    held_out = np.arange(starts[50], starts[52])
    assert unknown_tokens(columns, held_out, "test") == (
        "the test part has 5 tokens of 8 (62 %) that the training part does not know: all are read as one, <unk>"
    )
    assert unknown_tokens(columns, held_out, "train") is None
    assert unknown_tokens(columns, np.arange(starts[50]), "validation") is None


def test_a_training_part_without_text() -> None:
    empty = Examples(pl.DataFrame({"text": ["", ""]}))
    with pytest.raises(DataError, match="column 'text': the training part has no text\n  → name another column with --text"):
        fit_text(Selection(empty, np.arange(2)), Data(), column="text", window=8)
