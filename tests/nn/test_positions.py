"""Positions: a shift of the sinusoids is a rotation, rotary products depend on distances alone, and learned ones begin as sinusoids."""

from __future__ import annotations

import torch

from sonde.nn.positions import BASE, Positions, sinusoids, turned


def test_a_shift_is_a_rotation_that_does_not_depend_on_the_place() -> None:
    width, shift = 8, 5
    angle = shift * BASE ** (-2 * torch.arange(width // 2, dtype=torch.float64) / width)
    rotation = torch.zeros(width, width, dtype=torch.float64)
    even = torch.arange(0, width, 2)
    rotation[even, even] = rotation[even + 1, even + 1] = angle.cos()
    rotation[even + 1, even], rotation[even, even + 1] = angle.sin(), -angle.sin()
    for place in (0, 3, 1000):
        here, there = sinusoids(place, 1, width), sinusoids(place + shift, 1, width)
        torch.testing.assert_close(here @ rotation, there, rtol=0, atol=1e-9)


def test_rotary_products_depend_on_how_far_apart_places_are() -> None:
    positions = Positions("rotary", width=8, head=4, length=0)
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(1, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    like = torch.zeros(1, 1, 8, dtype=torch.float64)
    products = [
        float((turned(query, positions.turn(like, i)) @ turned(key, positions.turn(like, j)).T).item()) for i, j in ((7, 3), (104, 100), (4, 0))
    ]
    assert max(products) - min(products) < 1e-12
    assert torch.equal(positions(like, 3), like)


def test_learned_positions_begin_as_sinusoids_and_are_trained() -> None:
    positions = Positions("learned", width=6, head=3, length=10)
    torch.testing.assert_close(positions.weight.double(), sinusoids(0, 10, 6), rtol=0, atol=1e-7)
    assert [name for name, _ in positions.named_parameters()] == ["weight"]
    still = Positions("sinusoidal", width=6, head=3, length=10)
    assert not list(still.parameters())
    x = torch.zeros(1, 4, 6)
    torch.testing.assert_close(positions(x, 2), still(x, 2))
    assert positions.turn(x) is None
