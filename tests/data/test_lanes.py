"""Running text in lanes: every token but the first foretold once, lanes that go on where they stopped, any step at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.data.batch import NO_TARGET, Batch
from sonde.data.lanes import LaneBatches

FIRST = 3  # tokens before the part


def make(
    count: int, lanes: int, steps: int, *, shuffle: bool = False, rank: int = 0, world_size: int = 1, accumulate: int = 1, seed: int = 0
) -> LaneBatches:
    """A part of `count` tokens that are their own places in the stream."""
    stream = torch.arange(FIRST + count + 4, dtype=torch.int32)
    return LaneBatches(
        stream,
        FIRST,
        FIRST + count,
        lanes=lanes,
        steps=steps,
        seed=seed,
        shuffle=shuffle,
        device="cpu",
        rank=rank,
        world_size=world_size,
        accumulate=accumulate,
    )


def targets(batch: Batch) -> torch.Tensor:
    assert batch.targets is not None
    return batch.targets


@given(st.integers(2, 200), st.integers(1, 20), st.integers(1, 30))
@settings(max_examples=80, deadline=None)
def test_when_measured_every_token_but_the_first_is_foretold_once(count: int, lanes: int, steps: int) -> None:
    source = make(count, lanes, steps)
    batches = [batch for (batch,) in source.epoch(0)]
    assert len(batches) == source.steps
    foretold = torch.cat([targets(batch)[targets(batch) != NO_TARGET] for batch in batches])
    assert sorted(foretold.tolist()) == list(range(FIRST + 1, FIRST + count))
    assert sum(batch.counts["examples"] for batch in batches) == count - 1
    for batch in batches:
        known = targets(batch) != NO_TARGET
        assert torch.equal(batch.inputs[0][known] + 1, targets(batch)[known])


@given(st.integers(2, 300), st.integers(1, 16), st.integers(1, 20), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_a_lane_goes_on_where_the_batch_before_stopped(count: int, lanes: int, steps: int, epoch: int) -> None:
    source = make(count, lanes, steps, shuffle=True)
    batches = [batch for (batch,) in source.epoch(epoch)]
    assert len(batches) == source.steps >= 1
    for batch in batches:
        assert torch.equal(batch.inputs[0] + 1, targets(batch))
        assert int(batch.inputs[0].min()) >= FIRST
        assert int(targets(batch).max()) < FIRST + count
        assert batch.inputs[0].numel() == batch.counts["examples"] == source.batch_size
    for before, after in pairwise(batches):
        assert torch.equal(before.inputs[0][:, -1] + 1, after.inputs[0][:, 0])


def test_epochs_begin_at_other_tokens_and_repeat_with_the_seed() -> None:
    firsts = [int(next(iter(make(1_000, 4, 50, shuffle=True, seed=7).epoch(epoch)))[0].inputs[0][0, 0]) for epoch in range(8)]
    assert len(set(firsts)) > 1
    assert firsts == [int(next(iter(make(1_000, 4, 50, shuffle=True, seed=7).epoch(epoch)))[0].inputs[0][0, 0]) for epoch in range(8)]


@pytest.mark.parametrize("start", [0, 1, 5])
def test_any_step_at_once(start: int) -> None:
    whole = list(make(500, 4, 10, shuffle=True).epoch(2))
    for one, other in zip(whole[start:], make(500, 4, 10, shuffle=True).epoch(2, start), strict=True):
        assert torch.equal(one[0].inputs[0], other[0].inputs[0])


@given(st.integers(20, 200), st.integers(1, 9), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_ranks_and_pieces_cut_the_same_lanes(count: int, lanes: int, steps: int) -> None:
    whole = [batch.inputs[0] for (batch,) in make(count, lanes, steps, shuffle=True).epoch(1)]
    for world_size, accumulate in ((2, 1), (1, 4), (3, 2)):
        ranks = [list(make(count, lanes, steps, shuffle=True, rank=r, world_size=world_size, accumulate=accumulate).epoch(1)) for r in range(world_size)]
        for step, tokens in enumerate(whole):
            assert torch.equal(torch.cat([piece.inputs[0] for rank in ranks for piece in rank[step]]), tokens)
            assert len({len(rank[step]) for rank in ranks}) == 1
