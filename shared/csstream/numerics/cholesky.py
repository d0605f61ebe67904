"""A small system of normal equations by Cholesky, with terms that may depend on others.

Compiled kernels for one system at a time; only the lower half of a matrix is read. A term of
which nothing is left once those before it are taken out is left out itself: its solution is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]


@njit(cache=True, nogil=True, error_model="numpy")
def forward(normal: Array, right: Array, relative: float, absolute: float) -> None:
    """Write the factor (n, n) over ``normal`` and the forward solution (n,) over ``right``.

    The squares of the forward solution's first k terms add up to what these terms explain. A term
    is left out where no more than the larger limit is left of its diagonal: ``relative`` to it,
    or ``absolute``.
    """
    for a in range(right.shape[0]):
        for b in range(a):
            rest = normal[a, b]
            for c in range(b):
                rest -= normal[a, c] * normal[b, c]
            normal[a, b] = rest / normal[b, b] if normal[b, b] > 0.0 else 0.0
        left, value = normal[a, a], right[a]
        for c in range(a):
            left -= normal[a, c] ** 2
            value -= normal[a, c] * right[c]
        kept = left > max(relative * normal[a, a], absolute)
        normal[a, a] = np.sqrt(left) if kept else 0.0
        right[a] = value / normal[a, a] if kept else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def backward(factor: Array, right: Array) -> None:
    """Write the solution over the forward solution (n,) of :func:`forward`."""
    for a in range(right.shape[0] - 1, -1, -1):
        rest = right[a]
        for b in range(a + 1, right.shape[0]):
            rest -= factor[b, a] * right[b]
        right[a] = rest / factor[a, a] if factor[a, a] > 0.0 else 0.0
