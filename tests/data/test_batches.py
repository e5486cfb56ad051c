"""Batches: every example once an epoch, the same ones however the work is cut, and any step at once."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.data import batches as module
from sonde.data.batch import Batch
from sonde.data.batches import Batches
from sonde.data.prepare.columns import Columns


def columns(count: int, *, mapped: bool = False) -> Columns:
    """Three inputs that all say which row they are, and targets that do."""
    rows = torch.arange(count)
    inputs = (rows.float().view(-1, 1).repeat(1, 3), rows.view(-1, 1).int())
    return Columns(inputs, rows * 10, np.ones(count, dtype=bool), mapped)


def make(count: int, batch_size: int, *, mapped: bool = False, rank: int = 0, world_size: int = 1, accumulate: int = 1, shuffle: bool = True) -> Batches:
    return Batches(
        columns(count + 5, mapped=mapped),
        np.arange(2, count + 2),
        batch_size=batch_size,
        seed=3,
        shuffle=shuffle,
        device="cpu",
        rank=rank,
        world_size=world_size,
        accumulate=accumulate,
    )


def rows(steps: list[list[Batch]]) -> list[list[int]]:
    return [[row for piece in step for row in piece.index.tolist()] for step in steps]


@given(st.integers(1, 90), st.integers(1, 40), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_example_once_an_epoch(count: int, batch_size: int, mapped: bool, shuffle: bool) -> None:
    source = make(count, batch_size, mapped=mapped, shuffle=shuffle)
    steps = list(source.epoch(0))
    assert len(steps) == source.steps == -(-count // batch_size)
    assert len(source) == count
    assert [sum(len(piece.index) for piece in step) for step in steps[:-1]] == [batch_size] * (len(steps) - 1)
    seen = [row for step in rows(steps) for row in step]
    assert sorted(seen) == list(range(2, count + 2))
    assert shuffle or seen == sorted(seen)
    for step in steps:
        for piece in step:
            assert piece.inputs[0][:, 1].tolist() == piece.index.tolist()
            assert piece.inputs[1][:, 0].tolist() == piece.index.tolist()
            assert piece.inputs[1].dtype == torch.int64
            assert piece.targets is not None
            assert piece.targets.tolist() == [10 * row for row in piece.index.tolist()]
            assert piece.counts == {"examples": len(piece.index)}


@given(st.integers(1, 70), st.integers(1, 16), st.integers(0, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_ranks_and_pieces_cut_the_same_batches(count: int, quarter: int, epoch: int, mapped: bool) -> None:
    """1 × 4b, 2 × 2b, 4 × b and 4 accumulations of b hold the same examples in the same order."""
    batch_size = 4 * quarter
    whole = rows(list(make(count, batch_size).epoch(epoch)))
    for world_size, accumulate in ((2, 1), (4, 1), (1, 4), (2, 2), (3, 2)):
        ranks = [
            list(make(count, batch_size, rank=rank, world_size=world_size, accumulate=accumulate, mapped=mapped).epoch(epoch))
            for rank in range(world_size)
        ]
        assert [[*chain(*parts)] for parts in zip(*(rows(rank) for rank in ranks), strict=True)] == whole
        # Collectives must meet: every rank has as many pieces, at least one, at most as many as asked for.
        for parts in zip(*ranks, strict=True):
            assert len({len(part) for part in parts}) == 1
            assert 1 <= len(parts[0]) <= accumulate
            sizes = [len(piece.index) for part in parts for piece in part]
            assert max(sizes) - min(sizes) <= 1 or accumulate > 1


def test_full_batches_are_cut_evenly() -> None:
    steps = list(make(100, 32, rank=1, world_size=2, accumulate=4).epoch(0))
    assert [[len(piece.index) for piece in step] for step in steps] == [[4] * 4] * 3 + [[1, 1]]
    assert [len(piece.index) for piece in next(iter(make(3, 8, rank=3, world_size=4).epoch(0)))] == [0]
    assert [[len(piece.index) for piece in step] for step in make(3, 8, accumulate=8).epoch(0)] == [[1, 1, 1]]


@given(st.integers(1, 80), st.integers(1, 20), st.integers(0, 100), st.integers(10, 2000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_starting_at_a_step_equals_skipping_those_before(count: int, batch_size: int, start: int, block: int, mapped: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.BLOCK, "cpu", block)  # bytes: blocks of one step and of many
        patch.setattr(module, "BLOCK_MAPPED", block)
        source = make(count, batch_size, mapped=mapped, accumulate=2)
        start = start % (source.steps + 1)
        assert rows(list(source.epoch(1, start))) == rows(list(source.epoch(1)))[start:]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    source = make(50, 7)
    first, second = rows(list(source.epoch(0))), rows(list(source.epoch(1)))
    assert first != second
    torch.manual_seed(12345)
    assert rows(list(source.epoch(0))) == first
    other = Batches(columns(60), np.arange(2, 52), batch_size=7, seed=4, shuffle=True, device="cpu")
    assert rows(list(other.epoch(0))) != first


def test_updates_an_epoch() -> None:
    """10,000 examples at batch 10 make 1,000 updates an epoch, at batch 100 make 100."""
    assert make(10_000, 10).steps == sum(1 for _ in make(10_000, 10).epoch(0)) == 1000
    assert make(10_000, 100).steps == sum(1 for _ in make(10_000, 100).epoch(0)) == 100


def test_columns_in_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(300, dtype=np.float32).reshape(100, 3))
    array = np.load(tmp_path / "x.npy", mmap_mode="c")
    source = Columns((torch.from_numpy(array),), None, np.ones(100, dtype=bool), mapped=True)
    plain = Columns((torch.from_numpy(np.array(array)),), None, np.ones(100, dtype=bool))
    files, memory = (Batches(part, np.arange(100), batch_size=8, seed=0, shuffle=True, device="cpu") for part in (source, plain))
    for (one,), (other,) in zip(files.epoch(0), memory.epoch(0), strict=True):
        assert torch.equal(one.inputs[0], other.inputs[0])
        assert torch.equal(one.index, other.index)
        assert one.targets is None


def test_a_reader_that_stops_early_leaves_no_thread_waiting() -> None:
    for step in make(60, 4, mapped=True).epoch(0):
        assert len(step) == 1
        break


def test_augmentation_sees_pictures_example_numbers_and_epoch() -> None:
    seen: list[tuple[int, list[int]]] = []

    def augment(images: Tensor, index: Tensor, epoch: int) -> Tensor:
        seen.append((epoch, index.tolist()))
        return images + 1000

    source = Batches(columns(20), np.arange(20), batch_size=4, seed=0, shuffle=True, device="cpu", augment=augment)
    for (batch,) in source.epoch(5):
        assert batch.inputs[0][:, 0].tolist() == [row + 1000 for row in batch.index.tolist()]
        assert batch.inputs[1][:, 0].tolist() == batch.index.tolist()
    assert {epoch for epoch, _ in seen} == {5}
    assert sorted(chain(*(index for _, index in seen))) == list(range(20))


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("world_size", [1, 2])
def test_an_example_that_comes_again_in_an_epoch_is_augmented_anew(mapped: bool, world_size: int) -> None:
    count, keys, seen = 12, list[int](), list[int]()

    def look(pictures: Tensor, drawn_by: Tensor, epoch: int) -> Tensor:
        assert (pictures[:, 0].long() == drawn_by % count).all()
        keys.extend(drawn_by.tolist())
        return pictures

    factors = torch.ones(count - 4, dtype=torch.float64)
    factors[2] = 9.0
    for rank in range(world_size):
        whole = Batches(
            columns(count, mapped=mapped),
            np.arange(2, count - 2),
            batch_size=4,
            seed=3,
            shuffle=True,
            device="cpu",
            rank=rank,
            world_size=world_size,
            augment=look,
            factors=factors,
        )
        seen += [number for (batch,) in whole.epoch(0) for number in batch.index.tolist()]
    assert sorted(key % count for key in keys) == sorted(seen)
    assert 4 <= seen.count(4) <= 5  # 9 of 16, of 8 examples
    assert len(set(keys)) == len(keys)


def test_a_part_on_another_device_keeps_its_own_rows() -> None:
    """`meta` stands in for a GPU: the columns there are those of the part alone."""
    source = Batches(columns(100), np.arange(10, 30), batch_size=5, seed=0, shuffle=False, device="meta")
    assert source.columns.inputs[0].shape == (20, 3)
    ((first,), *_) = list(source.epoch(0))
    assert first.inputs[0].shape == (5, 3)
    assert first.inputs[0].device.type == "meta"


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 0 and accumulate 1 are at least 1"):
        make(5, 0)
    with pytest.raises(ValueError, match="rank 2 is below world_size 2"):
        make(5, 1, rank=2, world_size=2)


def test_no_examples_make_no_steps() -> None:
    source = Batches(columns(5), np.array([], dtype=np.int64), batch_size=4, seed=0, shuffle=True, device="cpu")
    assert source.steps == 0
    assert list(source.epoch(0)) == []
