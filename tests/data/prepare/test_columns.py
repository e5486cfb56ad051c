"""Columns in memory and in files: the same values, complete or not there at all, found again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from data.making import everything, pictures, table
from sonde.data.contents import Content
from sonde.data.prepare import columns as module
from sonde.data.prepare.columns import Columns, build_columns
from sonde.data.prepare.images import fit_images
from sonde.data.prepare.table import TablePreparation, fit_table
from sonde.data.prepare.target import Target, fit_target
from sonde.data.split import Selection
from sonde.errors import DataError
from sonde.recipe import Data

ROWS = 1000


def content() -> Content:
    generator = np.random.default_rng(0)
    kinds = np.array(["a", "b", "c"])[generator.integers(0, 3, ROWS)]
    return table({"x": generator.normal(size=ROWS), "kind": kinds, "y": generator.normal(size=ROWS)})


def fitted(given: Content) -> tuple[TablePreparation, Target]:
    return fit_table(everything(given), Data(), ("y",)), fit_target("regression", {}, everything(given), ("y",))


def mapped(folder: Path, given: Content, **changed: Any) -> Columns:
    prep, target = fitted(given)
    return build_columns(prep, target, given.examples, cache=folder, memory_limit=0, **changed)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 2000)  # several pieces of the tables here


def same(one: Columns, other: Columns) -> bool:
    assert one.targets is not None
    assert other.targets is not None
    pairs = zip([*one.inputs, one.targets], [*other.inputs, other.targets], strict=True)
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in pairs) and bool((one.valid == other.valid).all())


def test_files_hold_what_memory_would(tmp_path: Path) -> None:
    given = content()
    prep, target = fitted(given)
    memory, files = build_columns(prep, target, given.examples), mapped(tmp_path, given)
    assert not memory.mapped
    assert files.mapped
    assert len(files) == ROWS
    assert same(memory, files)
    numbers, codes = prep.encode(given.examples)
    np.testing.assert_array_equal(memory.inputs[0].numpy(), numbers)
    np.testing.assert_array_equal(memory.inputs[1].numpy(), codes)
    assert memory.inputs[1].dtype == torch.int32


def test_columns_are_found_again_and_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = content()
    first = mapped(tmp_path, given)
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["0.npy", "1.npy", "2.npy", "problems.json", "valid.npy"]
    monkeypatch.setattr(module, "_write", lambda *_: pytest.fail("the cache was not used"))
    assert same(first, mapped(tmp_path, given))


def test_other_data_or_other_fitted_values_are_other_columns(tmp_path: Path) -> None:
    given = content()
    mapped(tmp_path, given, fingerprint="one")
    mapped(tmp_path, given, fingerprint="two")
    changed = table(given.examples.frame.with_columns(pl.col("x") * 2))
    mapped(tmp_path, changed, fingerprint="one")
    prep, _ = fitted(given)
    build_columns(prep, None, given.examples, cache=tmp_path, fingerprint="one", memory_limit=0)
    assert len(list(tmp_path.iterdir())) == 4


def test_small_columns_stay_in_memory(tmp_path: Path) -> None:
    given = content()
    prep, target = fitted(given)
    assert not build_columns(prep, target, given.examples, cache=tmp_path).mapped
    assert not list(tmp_path.iterdir())


def test_small_columns_that_took_long_are_kept_and_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = content()
    prep, target = fitted(given)
    monkeypatch.setattr(module, "SLOW", 0.0)
    first = build_columns(prep, target, given.examples, cache=tmp_path)
    monkeypatch.setattr(module, "_in_memory", lambda *_: pytest.fail("the cache was not used"))
    again = build_columns(prep, target, given.examples, cache=tmp_path)
    assert not again.mapped
    assert same(first, again)


def test_folds_share_what_is_encoded_alike(tmp_path: Path) -> None:
    given = content()
    for rows in (np.arange(600), np.arange(400, 1000)):
        selection = Selection(given.examples, rows)
        prep, target = fit_table(selection, Data(), ("y",)), fit_target("regression", {}, selection, ("y",))
        build_columns(prep, target, given.examples, cache=tmp_path, memory_limit=0)
    assert len(list(tmp_path.iterdir())) == 1


def test_columns_not_used_for_longest_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, folders = content(), {}
    for age, name in enumerate(("one", "two", "three")):
        mapped(tmp_path, given, fingerprint=name)
        (folders[name],) = set(tmp_path.iterdir()) - set(folders.values())
        os.utime(folders[name], (age, age))
    mapped(tmp_path, given, fingerprint="one")  # used again
    size = sum(file.stat().st_size for file in folders["one"].iterdir())
    monkeypatch.setattr(module, "KEPT", 2 * size + 100)
    killed, building = tmp_path / ".killed", tmp_path / ".building"
    killed.mkdir()
    building.mkdir()
    os.utime(killed, (0, 0))
    mapped(tmp_path, given, fingerprint="four")
    assert folders["one"] in set(tmp_path.iterdir())
    assert building in set(tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_cache_is_built_again(tmp_path: Path) -> None:
    given = content()
    first = build_columns(*fitted(given), given.examples)
    mapped(tmp_path, given)
    (folder,) = tmp_path.iterdir()
    whole = (folder / "0.npy").read_bytes()
    (folder / "0.npy").write_bytes(whole[:100])
    assert same(first, mapped(tmp_path, given))
    (folder / "problems.json").unlink()
    assert same(first, mapped(tmp_path, given))


def test_a_build_that_stops_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.np, "save", full)
    with pytest.raises(DataError, match=r"the data as the model reads them cannot be kept here: No space left on device\n.*make room"):
        mapped(tmp_path, content())
    assert not list(tmp_path.iterdir())


def test_two_that_build_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = content()
    pieces = module._pieces

    def slow(*arguments: Any) -> Any:
        monkeypatch.setattr(module, "_pieces", pieces)
        mapped(tmp_path, given)  # the other process is faster
        return pieces(*arguments)

    monkeypatch.setattr(module, "_pieces", slow)
    found = mapped(tmp_path, given)
    assert found.mapped
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("cached", [False, True])
def test_every_example_that_cannot_be_used_is_listed_or_left_out(tmp_path: Path, cached: bool) -> None:
    good = [np.full((8, 8, 1), row, np.uint8) for row in range(50)]
    given = pictures([None if row in (7, 40) else picture for row, picture in enumerate(good)], ["a", "b"] * 25)
    prep, target = fit_images(everything(given), Data()), fit_target("classification", {}, everything(given), ("label",))
    cache, limit = (tmp_path, 0) if cached else (None, 2**30)
    with pytest.raises(DataError, match=r"cats/7\.png(.*\n)*.*cats/40\.png") as error:
        build_columns(prep, target, given.examples, cache=cache, memory_limit=limit)
    assert [problem.example for problem in error.value.problems] == [7, 40]
    columns = build_columns(prep, target, given.examples, cache=cache, memory_limit=limit, on_error="skip")
    assert np.flatnonzero(~columns.valid).tolist() == [7, 40]
    assert columns.inputs[0][8].unique().tolist() == [8]
    again = build_columns(prep, target, given.examples, cache=cache, memory_limit=limit, on_error="skip")
    assert same(columns, again)
    with pytest.raises(DataError, match=r"cats/7\.png"):
        build_columns(prep, target, given.examples, cache=cache, memory_limit=limit)


def test_a_picture_whose_label_is_unseen_is_named() -> None:
    picture = np.zeros((8, 8, 1), np.uint8)
    given = pictures([picture] * 40, [*["a", "b"] * 19, "b", "c"])
    train = Selection(given.examples, np.arange(20))
    prep, target = fit_images(train, Data()), fit_target("classification", {}, train, ("label",))
    with pytest.raises(DataError, match=r"cats/39\.png: the label 'c' does not occur in the training part"):
        build_columns(prep, target, given.examples)


def test_lines_and_examples_of_later_pieces_are_named() -> None:
    frame = content().examples.frame.with_columns(pl.when(pl.int_range(pl.len()) == 700).then(float("inf")).otherwise("x").alias("x"))
    given = table(frame)
    prep, target = fitted(given)
    with pytest.raises(DataError, match="line 702, column 'x': inf is infinite") as error:
        build_columns(prep, target, given.examples)
    assert error.value.problems[0].example == 700


def test_missing_targets_are_not_valid_and_without_a_target_all_are() -> None:
    given = content()
    prep, target = fitted(given)
    holes = table(given.examples.frame.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise("y").alias("y")))
    assert np.flatnonzero(~build_columns(prep, target, holes.examples).valid).tolist() == [3]
    unlabelled = table(given.examples.frame.drop("y"))
    columns = build_columns(prep, None, unlabelled.examples)
    assert columns.targets is None
    assert columns.valid.all()


def test_no_rows_at_all() -> None:
    given = content()
    prep, target = fitted(given)
    columns = build_columns(prep, target, given.examples.take(np.array([], dtype=np.int64)))
    assert len(columns) == 0
    assert columns.inputs[0].shape == (0, 1)


def test_rows_taken() -> None:
    given = content()
    prep, target = fitted(given)
    columns = build_columns(prep, target, given.examples)
    few = columns.take(torch.tensor([5, 2]))
    assert columns.targets is not None
    assert few.targets is not None
    assert torch.equal(few.targets, columns.targets[[5, 2]])
    assert len(few) == 2
