"""Draws by hash: reproducible, uniform, independent between examples, places, epochs and seeds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.ops import random

COUNT = 100_000
INDEX = torch.arange(COUNT)


def splitmix(state: int) -> int:
    """SplitMix64 as published, with Python's whole numbers."""
    mask = (1 << 64) - 1
    value = (state + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


def test_published_values_of_splitmix64() -> None:
    # The first outputs for the state 1234567, as printed in the test vectors that accompany the generator.
    state, outputs = 1234567, []
    for _ in range(3):
        outputs.append(random._mix(state))
        state = (state + 0x9E3779B97F4A7C15) & ((1 << 64) - 1)
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(0, 2**63 - 1), st.integers(0, 10_000), st.integers(0, 2**40), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_tensors_wrap_around_as_64_bit_numbers_do(seed: int, epoch: int, example: int, place: int) -> None:
    mask = (1 << 64) - 1
    state = splitmix((splitmix((splitmix(seed) + epoch) & mask) + place) & mask)
    expected = splitmix((example * 0x9E3779B97F4A7C15 + state) & mask)
    assert int(random.bits(seed, epoch, torch.tensor([example]), place)) & mask == expected
    assert int(random.bits(seed, epoch, torch.tensor([example]), torch.tensor(place))) & mask == expected


def test_a_draw_depends_on_its_example_alone() -> None:
    whole = random.uniform(3, 1, INDEX, 5)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    assert torch.equal(random.uniform(3, 1, INDEX[order], 5), whole[order])
    assert torch.equal(torch.cat([random.uniform(3, 1, part, 5) for part in INDEX.split(777)]), whole)


def test_uniform_mean_variance_and_cells() -> None:
    drawn = random.uniform(0, 0, INDEX, 0).double()
    assert drawn.min() >= 0 and drawn.max() < 1
    # Four standard errors: sd of the mean is √(1/12 n), of the variance √(1/180 n).
    assert abs(drawn.mean() - 0.5) < 4 * (1 / 12 / COUNT) ** 0.5
    assert abs(drawn.var() - 1 / 12) < 4 * (1 / 180 / COUNT) ** 0.5
    cells = torch.bincount((drawn * 100).long(), minlength=100).double()
    assert float(((cells - COUNT / 100) ** 2 / (COUNT / 100)).sum()) < 99 + 4 * (2 * 99) ** 0.5


def test_normal_mean_variance_and_tails() -> None:
    drawn = random.normal(1, 2, INDEX, 3).double()
    assert abs(drawn.mean()) < 4 / COUNT**0.5
    assert abs(drawn.var() - 1) < 4 * (2 / COUNT) ** 0.5
    assert abs((drawn**4).mean() - 3) < 4 * (96 / COUNT) ** 0.5
    assert drawn.isfinite().all() and drawn.abs().max() < 6.7


@pytest.mark.parametrize(
    ("one", "other"),
    [((0, 0, 0), (0, 0, 1)), ((0, 0, 0), (0, 1, 0)), ((0, 0, 0), (1, 0, 0)), ((0, 0, 1), (0, 1, 0)), ((7, 3, 2), (7, 2, 3))],
)
def test_places_epochs_and_seeds_are_uncorrelated(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    first = random.uniform(one[0], one[1], INDEX, one[2]).double()
    second = random.uniform(other[0], other[1], INDEX, other[2]).double()
    for shift in (0, 1, 2):
        pairs = torch.stack([first[: COUNT - shift], second[shift:]])
        assert abs(torch.corrcoef(pairs)[0, 1]) < 4.5 / COUNT**0.5


def test_neighbouring_examples_are_uncorrelated() -> None:
    drawn = random.uniform(0, 0, INDEX, 0).double()
    for lag in (1, 2, 7, 256):
        assert abs(torch.corrcoef(torch.stack([drawn[:-lag], drawn[lag:]]))[0, 1]) < 4.5 / COUNT**0.5


@given(st.integers(-50, 50), st.integers(1, 1000))
@settings(max_examples=30, deadline=None)
def test_integers_stay_within_their_bounds(low: int, width: int) -> None:
    drawn = random.integers(0, 0, torch.arange(2000), 1, low=low, high=low + width)
    assert drawn.min() >= low and drawn.max() < low + width


def test_integers_are_even() -> None:
    counts = torch.bincount(random.integers(0, 0, INDEX, 1, low=0, high=9), minlength=9).double()
    assert (counts - COUNT / 9).abs().max() < 4.5 * (COUNT / 9) ** 0.5
    with pytest.raises(ValueError, match="high - low must lie in"):
        random.integers(0, 0, INDEX, 1, low=3, high=3)


def test_permutation_is_a_function_of_seed_and_epoch() -> None:
    order = random.permutation(0, 1, 1000)
    assert torch.equal(order.sort().values, torch.arange(1000))
    assert torch.equal(order, random.permutation(0, 1, 1000))
    assert not torch.equal(order, random.permutation(0, 2, 1000))
    assert not torch.equal(order, random.permutation(1, 1, 1000))
    state = torch.get_rng_state()
    random.permutation(0, 3, 10)
    assert torch.equal(torch.get_rng_state(), state)
