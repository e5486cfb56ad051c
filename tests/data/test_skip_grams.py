"""Words with those around them and with noise: the draws are what they should be, and no cut of the text changes them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sonde.data import skip_grams
from sonde.data.batch import Batch
from sonde.data.prepare.neighbourhood import Neighbourhood
from sonde.data.skip_grams import SkipGrams
from sonde.ops.negative_sampling import NO_WORD

FIRST, COUNT, PIECES = 3, 900, 13
STREAM = torch.randint(0, PIECES, (FIRST + COUNT + 5,), generator=torch.Generator().manual_seed(2), dtype=torch.int32)
COUNTS = (0, *torch.bincount(STREAM.long(), minlength=PIECES)[1:].tolist())  # piece 0 is no word


def make(*, subsample: float = 0.0, batch_size: int = 64, **options: Any) -> SkipGrams:
    around = Neighbourhood(window=3, negatives=4, subsample=subsample, power=0.75, counts=COUNTS)
    given: dict[str, Any] = {"seed": 5, "shuffle": False, "device": "cpu"} | options
    return SkipGrams(STREAM, FIRST, FIRST + COUNT, around, batch_size=batch_size, **given)


def joined(steps: list[list[Batch]]) -> tuple[Tensor, Tensor, Tensor]:
    """Contexts, candidates and places, by place."""
    batches = [piece for pieces in steps for piece in pieces]
    place = torch.cat([batch.index for batch in batches])
    order = place.argsort()
    contexts, candidates = (torch.cat([batch.inputs[side] for batch in batches])[order] for side in (0, 1))
    return contexts, candidates, place[order]


def same(ours: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, others, strict=True))


def test_contexts_are_the_words_on_either_side_up_to_a_drawn_number() -> None:
    contexts, candidates, place = joined(list(make().epoch(0)))
    assert torch.equal(candidates[:, 0].int(), STREAM[place])
    words = [at for at in range(FIRST, FIRST + COUNT) if STREAM[at] != NO_WORD]
    number = {at: i for i, at in enumerate(words)}
    widths = set()
    for row, at in zip(contexts.tolist(), place.tolist(), strict=True):
        i = number[at]
        before, after = ([word for word in side if word != NO_WORD] for side in (row[:3], row[3:]))
        assert before == [int(STREAM[j]) for j in words[max(i - len(before), 0) : i]]
        assert after == [int(STREAM[j]) for j in words[i + 1 : i + 1 + len(after)]]
        if 3 <= i < len(words) - 3:
            assert len(before) == len(after)
            widths.add(len(before))
    assert widths == {1, 2, 3}
    assert len(place) == len(words)


def test_noise_is_drawn_by_count_to_the_power_and_never_the_word_itself() -> None:
    source = make()
    noise = torch.cat([joined(list(source.epoch(epoch)))[1][:, 1:].flatten() for epoch in range(40)])
    candidates = joined(list(source.epoch(0)))[1]
    assert not (candidates[:, 1:] == candidates[:, :1]).any()
    drawn = torch.bincount(noise[noise != NO_WORD], minlength=PIECES).double()
    weights = torch.tensor(COUNTS).double().pow(0.75)
    expected = weights / weights.sum()
    expected = expected * (1 - torch.tensor(COUNTS) / sum(COUNTS))  # where it is the word itself it is left out
    torch.testing.assert_close(drawn / drawn.sum(), expected / expected.sum(), atol=0.004, rtol=0)


def test_frequent_words_are_left_out_and_the_window_reaches_farther() -> None:
    few, all_of_them = (joined(list(make(subsample=t).epoch(0))) for t in (0.02, 0.0))
    share = torch.tensor(COUNTS) / sum(COUNTS)
    expected = float(((0.02 / share.clamp(min=1e-9)).sqrt().clamp(max=1) * torch.tensor(COUNTS)).sum()) / sum(COUNTS)
    assert len(few[2]) / len(all_of_them[2]) == pytest.approx(expected, abs=0.05)
    assert ((few[0] != NO_WORD).sum(1) >= 1).all()
    assert float((few[0] != NO_WORD).sum(1).double().mean()) == pytest.approx(float((all_of_them[0] != NO_WORD).sum(1).double().mean()), rel=0.05)


def test_no_cut_changes_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = joined(list(make(subsample=0.05).epoch(2)))
    assert same(whole, joined(list(make(subsample=0.05, batch_size=17).epoch(2))))
    ranks = [make(subsample=0.05, rank=rank, world_size=3, accumulate=2).epoch(2) for rank in range(3)]
    assert same(whole, joined([pieces for rank in ranks for pieces in rank]))
    monkeypatch.setattr(skip_grams, "BLOCK", 128)
    assert same(whole, joined(list(make(subsample=0.05).epoch(2))))
    assert same(whole, joined(list(make(subsample=0.05, shuffle=True).epoch(2))))
    assert not same(whole, joined(list(make(subsample=0.05).epoch(3))))


def test_any_step_is_reached_without_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skip_grams, "BLOCK", 256)
    source = make(shuffle=True)
    steps = list(source.epoch(1))
    assert len(steps) == source.steps == 15
    for start in (0, 3, 4, 9, 14, 15):
        later = list(source.epoch(1, start))
        assert len(later) == 15 - start
        for (one,), (other,) in zip(steps[start:], later, strict=True):
            assert same((*one.inputs, one.index), (*other.inputs, other.index))
            assert one.counts == other.counts == {"examples": len(one.index), "pairs": float((one.inputs[0] != NO_WORD).sum())}


def test_a_text_of_no_words_gives_empty_batches() -> None:
    around = Neighbourhood(window=2, negatives=1, subsample=0.0, power=1.0, counts=(0, 5, 5))
    for stream in (torch.zeros(9, dtype=torch.int32), torch.tensor([1], dtype=torch.int32)):
        source = SkipGrams(stream, 0, len(stream), around, batch_size=4, seed=0, shuffle=True, device="cpu")
        assert [len(batch.index) for (batch,) in source.epoch(0)] == [0] * source.steps
