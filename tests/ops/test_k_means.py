"""k-means against its twin from the same start, and descriptors that neither brightness nor contrast changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.ops.k_means import k_means, nearest, starting_points
from sonde.scratch.k_means import k_means as scratch_k_means


@settings(max_examples=25, deadline=None)
@given(points=st.integers(1, 60), k=st.integers(1, 8), seed=st.integers(0, 999), grid=st.booleans())
def test_equals_its_twin_from_the_same_start(points: int, k: int, seed: int, grid: bool) -> None:
    """Also where centres lose all their points, as on a grid with equal ones."""
    draw = np.random.default_rng(seed)
    k = min(k, points)
    x = draw.integers(0, 3, size=(points, 2)).astype(float) if grid else draw.normal(size=(points, 3))
    start = x[draw.choice(points, k, replace=False)]
    theirs = scratch_k_means(x, k, rng=draw, centres=start, rounds=20)
    centres, labels = k_means(torch.from_numpy(x), torch.from_numpy(start), rounds=20)
    inertia = ((x - centres.numpy()[labels.numpy()]) ** 2).sum()
    if grid:  # equal distances may be told apart by the last bit
        assert inertia <= theirs.inertia[0] + 1e-9
        return
    np.testing.assert_allclose(centres.numpy(), theirs.centres, atol=1e-10)
    np.testing.assert_array_equal(labels.numpy(), theirs.labels)


def test_nearest_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, centres = torch.randn(50, 4), torch.randn(5, 4)
    labels, distances = nearest(x, centres)
    expected = torch.cdist(x, centres)
    assert torch.equal(labels, expected.argmin(1))
    torch.testing.assert_close(distances.sqrt(), expected.min(1).values, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr("sonde.ops.k_means.BLOCK", 15)
    assert torch.equal(nearest(x, centres)[0], labels)


def test_starting_points_are_apart() -> None:
    torch.manual_seed(0)
    x = torch.cat([torch.randn(30, 2) * 0.01 + 5 * place for place in range(4)])
    assert sorted((starting_points(x, 4).mean(1) / 5).round().int().tolist()) == [0, 1, 2, 3]
    equal = torch.ones(3, 2)
    assert torch.equal(starting_points(equal, 2), equal[:2])


def test_more_clusters_than_points_are_refused() -> None:
    with pytest.raises(ValueError, match="3 points cannot be cut into 4 clusters"):
        k_means(torch.zeros(3, 2), torch.zeros(4, 2))
