"""The small Cholesky: against numpy, and with terms that repeat others."""

import numpy as np
import pytest

from csstream.numerics.cholesky import backward, forward


def system(n, seed=900):
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(50, n))
    return design, design.T @ design, design.T @ rng.normal(size=50)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_solves_as_numpy_does(n):
    _, normal, right = system(n)
    factor, value = np.tril(normal), right.copy()
    forward(factor, value, 1e-9, 0.0)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(normal), rtol=1e-12)
    explained = np.sum(value**2)
    backward(factor, value)
    np.testing.assert_allclose(value, np.linalg.solve(normal, right), rtol=1e-10)
    assert explained == pytest.approx(value @ right)


def test_first_terms_of_the_forward_solution_stand_for_fewer_terms():
    _, normal, right = system(6)
    whole = right.copy()
    forward(normal.copy(), whole, 1e-9, 0.0)
    for n in range(1, 6):
        part = right[:n].copy()
        forward(normal[:n, :n].copy(), part, 1e-9, 0.0)
        assert np.array_equal(part, whole[:n])


@pytest.mark.parametrize("limits", [(1e-9, 0.0), (0.0, 1e-6)], ids=["relative", "absolute"])
def test_a_term_that_adds_nothing_gets_zero(limits):
    design, _, _ = system(3)
    columns = np.column_stack([design[:, 0], design[:, 1], 2.0 * design[:, 0], design[:, 2]])
    flux = design @ [1.0, -2.0, 0.5]
    factor, value = columns.T @ columns, columns.T @ flux
    forward(factor, value, *limits)
    backward(factor, value)
    np.testing.assert_allclose(value, [1.0, -2.0, 0.0, 0.5], rtol=1e-9)
