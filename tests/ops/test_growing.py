"""What grows step by step is a value: what was appended to one is not seen by another, and little is copied."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sonde.ops.decode import reordered
from sonde.ops.growing import Common, Growing

LAYOUTS = {"rows first": (1, 0), "rows last": (1, 4), "rows between": (2, 1)}  # axes of steps and rows
EACH = pytest.mark.parametrize(("steps", "rows"), LAYOUTS.values(), ids=LAYOUTS)


def piece(steps: int, rows: int, count: int, seed: int) -> Tensor:
    shape = [2, 3, 4, 2, 3]
    shape[rows], shape[steps] = 5, count
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@EACH
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_pieces_stand_one_after_the_other_and_branches_do_not_touch(steps: int, rows: int, mode: type) -> None:
    with mode():
        pieces = [piece(steps, rows, 1 + number % 3, number) for number in range(30)]
        grown, seen = Growing(pieces[0], steps=steps, rows=rows), [pieces[0]]
        kept = []
        for one in pieces[1:]:
            kept.append((grown, torch.cat(seen, dim=steps)))
            other = grown.appended(-one)  # another text that goes on from here
            grown = grown.appended(one)
            seen.append(one)
            assert torch.equal(other.tensor, torch.cat([*seen[:-1], -one], dim=steps))
        assert torch.equal(grown.tensor, torch.cat(seen, dim=steps))
        assert grown.length == sum(one.shape[steps] for one in pieces)
        for before, expected in kept:
            assert torch.equal(before.tensor, expected)


@EACH
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_rows_can_be_chosen_and_go_on(steps: int, rows: int, mode: type) -> None:
    with mode():
        one, two = piece(steps, rows, 3, 1), piece(steps, rows, 1, 2)
        index = torch.tensor([4, 0, 0])
        chosen = Growing(one, steps=steps, rows=rows).index_select(0, index)
        expected = one.index_select(rows, index)
        assert torch.equal(chosen.tensor, expected)
        more = two.index_select(rows, index)
        assert torch.equal(chosen.appended(more).tensor, torch.cat([expected, more], dim=steps))
        assert torch.equal(Growing(one, steps=steps, rows=rows)[1:3].tensor, one.narrow(rows, 1, 2))
        with pytest.raises(ValueError, match="rows alone can be chosen, axis 0, not 1"):
            chosen.index_select(1, index)


@torch.no_grad()
def test_memory_moves_a_few_times_alone() -> None:
    grown, places = Growing(torch.zeros(2, 1), steps=1), set()
    for _ in range(1_000):
        grown = grown.appended(torch.ones(2, 1))
        places.add(grown.tensor.data_ptr())
    assert len(places) <= 10
    reorderd = grown.index_select(0, torch.tensor([1, 0]))
    assert reorderd.appended(torch.ones(2, 1)).tensor.data_ptr() == reorderd.tensor.data_ptr()  # there is room as before


@torch.no_grad()
def test_gradients_reach_what_was_appended() -> None:
    with torch.enable_grad():
        first, second = torch.ones(2, 1, requires_grad=True), torch.ones(2, 1, requires_grad=True)
        Growing(first, steps=1).appended(second).tensor.square().sum().backward()
    assert first.grad is not None
    assert torch.equal(second.grad, torch.full((2, 1), 2.0))  # type: ignore[arg-type]


def test_beams_share_what_was_read_and_all_rows_what_is_common() -> None:
    own, shared, common = Growing(torch.arange(4)[:, None], steps=1), Growing(torch.arange(4)[:, None], steps=1, shared=True), Common("weights")
    index = torch.tensor([1, 1, 0, 3])
    state = reordered((own, shared, common), index, beams=True)
    assert state is not None
    assert state[0].tensor[:, 0].tolist() == index.tolist()  # type: ignore[union-attr]
    assert state[1] is shared
    assert state[2] is common
    assert reordered((shared,), index)[0].tensor[:, 0].tolist() == index.tolist()  # type: ignore[index,union-attr]
    assert reordered(None, index) is None
