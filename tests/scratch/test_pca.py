"""Principal components from the bottom."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sonde.scratch.pca import pca


def test_the_same_as_scikit_learn():
    x = np.random.default_rng(0).normal(size=(40, 6)) @ np.random.default_rng(1).normal(size=(6, 6)) + 5
    ours, theirs = pca(x, 3), PCA(3, svd_solver="full").fit(x)
    np.testing.assert_allclose(np.abs(ours.components), np.abs(theirs.components_), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.variance, theirs.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(ours.share, theirs.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(ours.restore(ours.project(x)), theirs.inverse_transform(theirs.transform(x)), rtol=1e-9)


def test_the_variances_are_the_covariance_s_eigenvalues():
    x = np.random.default_rng(2).normal(size=(30, 4))
    found = pca(x, 4)
    np.testing.assert_allclose(found.variance, np.linalg.eigvalsh(np.cov(x.T))[::-1], rtol=1e-10)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(found.restore(found.project(x)), x, atol=1e-12)
    assert found.share.sum() == pytest.approx(1)


def test_a_line_needs_one_component():
    x = np.outer(np.arange(5.0), [3.0, 4.0]) + 1
    found = pca(x, 1)
    np.testing.assert_allclose(found.components, [[0.6, 0.8]])
    np.testing.assert_allclose(found.restore(found.project(x)), x, atol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match=r"shape \(5, 2\) has no 3 components"):
        pca(np.ones((5, 2)), 3)
