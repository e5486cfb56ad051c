"""Batches of sentences: about one length each, no wider than they must be, the same ones however the work is cut."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.data import lengths as module
from sonde.data.batch import NO_TARGET, Batch
from sonde.data.batches import Batches
from sonde.data.prepare.columns import Columns

WIDTH = 12


def columns(count: int, *, kind: str, mapped: bool = False) -> Columns:
    """Sentences that say their row in each token; targets are classes, tags, or texts that are 2 longer than the source."""
    rng = np.random.default_rng(count)
    lengths = torch.from_numpy(rng.integers(1, WIDTH + 1, count).astype(np.int32))
    place, rows = torch.arange(WIDTH), torch.arange(1, count + 1)
    tokens = torch.where(place < lengths[:, None], rows[:, None], 0).int()
    targets = rows
    if kind == "tags":
        targets = torch.where(place < lengths[:, None], rows[:, None], NO_TARGET)
    elif kind == "pairs":
        targets = torch.where(torch.arange(WIDTH + 2) < lengths[:, None] + 2, rows[:, None], NO_TARGET)
    return Columns((tokens, lengths), targets, np.ones(count, dtype=bool), mapped)


def make(kind: str, count: int, batch_size: int, *, shuffle: bool = True, mapped: bool = False, **cut: int) -> Batches:
    return Batches(
        columns(count, kind=kind, mapped=mapped), np.arange(count), batch_size=batch_size, seed=3, shuffle=shuffle, device="cpu", **cut
    )


def rows(steps: list[list[Batch]]) -> list[list[int]]:
    return [[row for piece in step for row in piece.index.tolist()] for step in steps]


@pytest.mark.parametrize("kind", ["classes", "tags", "pairs"])
@given(st.integers(1, 90), st.integers(1, 20), st.booleans(), st.booleans(), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_each_sentence_once_and_nothing_but_padding_is_cut(kind: str, count: int, batch_size: int, shuffle: bool, mapped: bool, epoch: int) -> None:
    source = make(kind, count, batch_size, shuffle=shuffle, mapped=mapped)
    steps = list(source.epoch(epoch))
    assert len(steps) == source.steps
    assert sorted(chain(*rows(steps))) == list(range(count))
    assert [len(step[0].index) for step in steps[:-1]] == [batch_size] * (len(steps) - 1)
    for (batch,) in steps:
        tokens, lengths = batch.inputs
        targets = batch.targets
        assert targets is not None
        assert tokens.dtype == lengths.dtype == torch.int64
        assert tokens.shape[1] == int(lengths.max())
        assert ((tokens != 0).sum(1) == lengths).all()
        assert (tokens[:, 0] == batch.index + 1).all()
        if kind == "classes":
            assert batch.counts == {"examples": len(batch.index)}
        else:
            more = 2 if kind == "pairs" else 0
            assert targets.shape[1] == int(lengths.max()) + more
            assert ((targets != NO_TARGET).sum(1) == lengths + more).all()
            assert batch.counts == {"examples": int((targets != NO_TARGET).sum())}


@given(st.integers(1, 70), st.integers(1, 8), st.integers(0, 3), st.booleans())
@settings(max_examples=30, deadline=None)
def test_ranks_and_pieces_cut_the_same_batches(count: int, quarter: int, epoch: int, mapped: bool) -> None:
    whole = rows(list(make("tags", count, 4 * quarter).epoch(epoch)))
    for world_size, accumulate in ((2, 1), (1, 4), (2, 2)):
        ranks = [
            list(make("tags", count, 4 * quarter, rank=rank, world_size=world_size, accumulate=accumulate, mapped=mapped).epoch(epoch))
            for rank in range(world_size)
        ]
        assert [[*chain(*parts)] for parts in zip(*(rows(rank) for rank in ranks), strict=True)] == whole
        for parts in zip(*ranks, strict=True):
            assert len({len(part) for part in parts}) == 1


def test_any_step_is_reached_without_those_before() -> None:
    source = make("classes", 100, 8)
    assert rows(list(source.epoch(2, start=5))) == rows(list(source.epoch(2)))[5:]


def test_little_is_padding_and_the_order_changes_with_the_epoch() -> None:
    source = make("tags", 4_000, 16)
    first, second = (list(source.epoch(epoch)) for epoch in (0, 1))
    assert rows(first) != rows(second)
    assert rows(first) == rows(list(make("tags", 4_000, 16).epoch(0)))
    padding = sum(int((batch.inputs[0] == 0).sum()) for (batch,) in first) / sum(batch.inputs[0].numel() for (batch,) in first)
    assert padding < 0.02
    # Short and long batches are mixed: lengths do not rise over the epoch.
    widths = np.array([batch.inputs[0].shape[1] for (batch,) in first], dtype=float)
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.3


def test_a_pool_holds_sentences_from_all_over_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL", 4)
    order = module.by_length(torch.randperm(96), torch.arange(96), 8, seed=0, epoch=0)
    assert sorted(order.tolist()) == list(range(96))
    assert all(bool((batch.diff() > 0).all()) for batch in order.view(-1, 8))


def test_without_shuffling_all_are_sorted() -> None:
    steps = list(make("classes", 50, 7, shuffle=False).epoch(0))
    lengths = [length for (batch,) in steps for length in batch.inputs[1].tolist()]
    assert lengths == sorted(lengths)
