"""Norms, projections and kinds of matrices, from the bottom."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch import linear_algebra as la

A = np.array([[4.0, 8.0], [6.0, 26.0]])


def test_the_norms_of_a_matrix():
    assert la.frobenius_norm(A) == pytest.approx(28.1425, abs=5e-5)
    assert la.induced_norm(A, 2) == pytest.approx(28.0717, abs=5e-5)
    assert la.induced_norm(A, 1) == 34
    assert la.induced_norm(A, np.inf) == 32


def test_its_eigenpairs():
    values, vectors = la.eigenpairs(A)
    np.testing.assert_allclose(values, [28, 2], rtol=1e-12)
    for vector, known in zip(vectors.T, ([1, 3], [-4, 1]), strict=True):
        assert vector[0] * known[1] == pytest.approx(vector[1] * known[0])
    np.testing.assert_allclose(A @ vectors, vectors * values, rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2, np.inf])
def test_an_induced_norm_is_the_most_that_a_vector_is_stretched(p):
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(4, 3)), rng.normal(size=(2000, 3))
    stretched = [la.vector_norm(a @ v, p) / la.vector_norm(v, p) for v in x]
    assert la.induced_norm(a, p) == pytest.approx(np.linalg.norm(a, p))
    assert 0.9 * la.induced_norm(a, p) < max(stretched) <= la.induced_norm(a, p) * (1 + 1e-12)


def test_vector_norms():
    assert [la.vector_norm([3, -4], p) for p in (1, 2, np.inf)] == [7, 5, 4]
    assert la.vector_norm([3e200, 4e200]) == pytest.approx(5e200)
    assert la.vector_norm([0.0, 0.0]) == la.vector_norm([]) == 0
    with pytest.raises(ValueError, match="makes no norm"):
        la.vector_norm([1, 2], 0.5)


@pytest.mark.parametrize("p", [1, 2, np.inf])
def test_the_projection_is_the_nearest_point_of_the_ball(p):
    rng = np.random.default_rng(1)
    w = rng.normal(size=(3, 2)) * 3
    near = la.project_ball(w, 1.5, p)
    assert near.shape == w.shape and la.vector_norm(near, p) == pytest.approx(1.5)
    for other in rng.normal(size=(500, 3, 2)):
        other *= 1.5 / la.vector_norm(other, p)
        assert la.vector_norm(w - near) <= la.vector_norm(w - other) + 1e-12
    np.testing.assert_array_equal(la.project_ball(near * 0.9, 1.5, p), near * 0.9)
    assert la.vector_norm(la.project_ball(w, 0, p)) == 0


def test_kinds_of_matrices():
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    permutation = np.eye(3)[[2, 0, 1]]
    assert la.is_orthogonal(turn) and la.is_orthogonal(permutation) and not la.is_orthogonal(A)
    assert la.is_permutation(permutation) and not la.is_permutation(turn) and not la.is_permutation(np.ones((2, 2)))
    assert la.is_symmetric(A + A.T) and not la.is_symmetric(A)
    assert la.is_antisymmetric(A - A.T) and not la.is_antisymmetric(A)
    assert la.is_positive_definite(A @ A.T) and not la.is_positive_definite(-A @ A.T)
    flat = np.outer([1.0, 2.0], [1.0, 2.0])
    assert la.is_positive_definite(flat, semi=True) and not la.is_positive_definite(flat)
    assert la.are_orthogonal([1, 2], [-2, 1]) and not la.are_orthogonal([1, 2], [2, 1])


def test_bad_input_names_operation_and_shape():
    with pytest.raises(ValueError, match=r"is_symmetric needs a square matrix, not one of shape \(2, 3\)"):
        la.is_symmetric(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"induced_norm needs a matrix, not an array of shape \(3,\)"):
        la.induced_norm(np.ones(3))
    with pytest.raises(ValueError, match="known for p = 1, 2 and inf, not 3"):
        la.induced_norm(A, 3)
    with pytest.raises(ValueError, match="radius is at least 0, not -1"):
        la.project_ball(A, -1)
