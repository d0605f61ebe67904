"""The joint fit's normal matrix in variables that make its diagonal one.

With L Lᵀ a star's own 3×3 block, in the variables Lᵀ θ every own block is the unit matrix and
conjugate gradients need no other preconditioner.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.pairs import Pairs

Float = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def root_blocks(
    diagonal: Float, flux: Float, prior: float, root: Float, low: int, high: int
) -> None:
    """Write L⁻¹ of each star's own block L·Lᵀ (n, 3, 3), fluxes and position prior brought in.

    What no pixel says anything about gets a zero row: it stays as it is.
    """
    block = np.empty((3, 3))
    for k in range(low, high):
        f = max(flux[k], 0.0)
        block[:] = diagonal[k]
        block[0, 1:] *= f
        block[1:, 0] *= f
        block[1:, 1:] *= f * f
        block[1, 1] += prior
        block[2, 2] += prior
        _inverse_root(block, root[k])


@njit(cache=True, nogil=True)
def _inverse_root(block: Any, out: Any) -> None:
    """Write the inverse of the Cholesky factor of a 3×3 matrix, lower triangle."""
    out[:] = 0.0
    tiny = 1e-12
    a = math.sqrt(block[0, 0]) if block[0, 0] > 0.0 else 0.0
    ia = 1.0 / a if a > 0.0 else 0.0
    b, c = block[1, 0] * ia, block[2, 0] * ia
    rest = block[1, 1] - b * b
    d = math.sqrt(rest) if rest > tiny * block[1, 1] else 0.0
    inverse = 1.0 / d if d > 0.0 else 0.0
    e = (block[2, 1] - b * c) * inverse
    rest = block[2, 2] - c * c - e * e
    f = 1.0 / math.sqrt(rest) if rest > tiny * block[2, 2] and rest > 0.0 else 0.0
    out[0, 0], out[1, 1], out[2, 2] = ia, inverse, f
    out[1, 0] = -b * ia * inverse
    out[2, 1] = -e * inverse * f
    out[2, 0] = -(c * ia + e * out[1, 0]) * f


@njit(cache=True, nogil=True)
def whiten(blocks: Any, root: Float, flux: Float, pairs: Pairs, low: int, high: int) -> None:
    """Turn the pairs' blocks of stars ``[low, high)`` to L_a⁻¹ B L_b⁻ᵀ, fluxes brought in."""
    half = np.empty((3, 3))
    for a in range(low, high):
        left, fa = root[a], max(flux[a], 0.0)
        for t in range(pairs.start[a], pairs.start[a + 1]):
            block, right, fb = blocks[t], root[pairs.other[t]], max(flux[pairs.other[t]], 0.0)
            for c in range(3):
                scale = 1.0 if c == 0 else fb
                b0, b1, b2 = block[0, c] * scale, block[1, c] * scale * fa, block[2, c] * scale * fa
                half[0, c] = left[0, 0] * b0
                half[1, c] = left[1, 0] * b0 + left[1, 1] * b1
                half[2, c] = left[2, 0] * b0 + left[2, 1] * b1 + left[2, 2] * b2
            for r in range(3):
                h0, h1, h2 = half[r, 0], half[r, 1], half[r, 2]
                block[r, 0] = h0 * right[0, 0]
                block[r, 1] = h0 * right[1, 0] + h1 * right[1, 1]
                block[r, 2] = h0 * right[2, 0] + h1 * right[2, 1] + h2 * right[2, 2]
