"""Vectors inside kernels: what each operation returns, for both types and several widths."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from csstream.numerics.vectors import (
    add_product,
    added,
    larger,
    loader,
    spreader,
    store,
    times,
    where_above,
)

WIDTHS = (4, 8, 16)


def _arithmetic(width):
    """Kernel that writes the results of all operations on two vectors, one per row."""
    load, spread = loader(width), spreader(width)

    @njit
    def run(a, b, out):
        x, y = load(a, 1), load(b, width)
        results = (
            x + y, x - y, x * y, x / y, times(x, y), add_product(spread(a, 0.5), x, y),
            larger(x, y), where_above(x, spread(a, 1.0), y, spread(a, -1.0)),
        )  # fmt: skip
        for k, value in enumerate(results):
            store(out, k * width, value)
        return added(x)

    return run


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operations_are_those_of_the_numbers(width, dtype):
    rng = np.random.default_rng(900)
    a, b = rng.normal(1.0, 1.0, (2, 2 * width)).astype(dtype)
    out = np.zeros((8, width), dtype)
    total = _arithmetic(width)(a, b, out)
    x, y = a[1 : width + 1], b[width:]
    exact = (x + y, x - y, x * y, x / y, x * y)
    assert np.array_equal(out[:5], np.stack(exact))
    np.testing.assert_allclose(out[5], 0.5 + x * y, rtol=4 * np.finfo(dtype).eps)
    assert np.array_equal(out[6], np.maximum(x, y))
    assert np.array_equal(out[7], np.where(x > 1.0, y, -1.0))
    np.testing.assert_allclose(total, x.sum(dtype=np.float64), rtol=8 * np.finfo(dtype).eps)


def test_a_sum_is_taken_pairwise():
    load = loader(4)

    @njit
    def total(values):
        return added(load(values, 0))

    # From left to right the ones would be lost one by one.
    assert total(np.array([2.0**53, 1.0, -(2.0**53), 1.0])) == 2.0


def test_larger_takes_the_second_where_nothing_compares():
    load = loader(4)

    @njit
    def run(a, b, out):
        store(out, 0, larger(load(a, 0), load(b, 0)))

    out = np.zeros(4)
    run(np.array([np.nan, 1.0, np.nan, 3.0]), np.array([1.0, np.nan, np.nan, 2.0]), out)
    assert np.array_equal(out, [1.0, np.nan, np.nan, 3.0], equal_nan=True)


def test_rows_of_a_cut_array_are_refused():
    load = loader(4)

    @njit
    def run(values):
        return added(load(values, 0))

    with pytest.raises(TypingError):
        run(np.zeros((4, 8))[:, ::2])


def test_lanes_of_different_width_do_not_mix():
    four, eight = loader(4), loader(8)

    @njit
    def run(values):
        return added(four(values, 0) + eight(values, 0))

    with pytest.raises(TypingError):
        run(np.zeros(16))
