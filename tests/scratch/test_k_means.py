"""k-means from the bottom."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from sonde.scratch.k_means import k_means, squared_distances, starting_points


def blobs(seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(30, 2)) + centre for centre in ([0, 0], [10, 0], [0, 10])])


def test_the_same_as_scikit_learn_from_the_same_start():
    x = np.random.default_rng(3).normal(size=(200, 4))
    theirs = KMeans(5, init=x[:5], n_init=1, max_iter=500, tol=0).fit(x)
    ours = k_means(x, 5, rng=np.random.default_rng(0), centres=x[:5], rounds=500)
    np.testing.assert_allclose(ours.centres, theirs.cluster_centers_, atol=1e-10)
    np.testing.assert_array_equal(ours.labels, theirs.labels_)
    assert ours.inertia[-1] == pytest.approx(theirs.inertia_)


def test_finds_what_lies_apart_and_never_gets_worse():
    found = k_means(blobs(), 3, rng=np.random.default_rng(1))
    assert all(len(set(found.labels[i : i + 30])) == 1 for i in (0, 30, 60)) and len(set(found.labels)) == 3
    assert all(after <= before + 1e-9 for before, after in zip(found.inertia, found.inertia[1:], strict=False))


def test_a_centre_without_examples_moves_to_the_farthest_one():
    found = k_means([[0.0], [1.0], [10.0]], 2, rng=np.random.default_rng(0), centres=[[0.0], [100.0]])
    assert sorted(found.centres[:, 0]) == [0.5, 10.0]


def test_starting_points_prefer_the_far():
    x = np.array([[0.0], [0.0], [0.0], [50.0]])
    assert all(50.0 in starting_points(x, 2, np.random.default_rng(seed)) for seed in range(20))
    assert starting_points(np.zeros((4, 1)), 3, np.random.default_rng(0)).shape == (3, 1)


def test_distances_keep_their_digits_far_from_the_origin():
    x = blobs() + 1e6
    np.testing.assert_allclose(squared_distances(x, x[:4]), np.square(x[:, None] - x[:4]).sum(2), atol=1e-8)


def test_bad_input():
    with pytest.raises(ValueError, match=r"shape \(3, 1\) into 4 clusters"):
        k_means([[0.0], [1.0], [2.0]], 4, rng=np.random.default_rng(0))
