"""Conjugate gradients for the whitened, block-sparse system of the joint fit.

The stars are split into fixed chunks; sums are taken chunk by chunk and then over the chunks, so
the result does not depend on how many threads do the work.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.pairs import Pairs
from csstream.numerics.workers import Range, Workers

Float = npt.NDArray[np.float64]


def solve(
    blocks: npt.NDArray[np.floating],
    pairs: Pairs,
    right: Float,
    chunks: list[Range],
    workers: Workers,
    *,
    most: int,
    tolerance: float,
) -> tuple[Float, int]:
    """Solve (1 + B) s = r; return s (n, 3) and the iterations taken.

    Stops when the residual has shrunk by ``tolerance``, after ``most`` iterations, or when the
    curvature along a direction is not positive.
    """
    step, rest, direction = np.zeros_like(right), right.copy(), right.copy()
    image, partial = np.empty_like(right), np.zeros(len(chunks))
    numbered = [(number, low, high) for number, (low, high) in enumerate(chunks)]
    rho = float(np.sum(right * right))
    goal = tolerance * tolerance * rho
    for iteration in range(most):
        if rho <= goal or rho <= 0.0:
            return step, iteration
        workers.run(
            lambda n, low, high: _multiply(blocks, pairs, direction, image, partial, n, low, high),
            numbered,
        )
        curvature = float(np.sum(partial))
        if not curvature > 0.0:
            return step, iteration
        alpha = rho / curvature
        workers.run(
            lambda n, low, high, by=alpha: _advance(
                step, rest, direction, image, by, partial, n, low, high
            ),
            numbered,
        )
        fresh = float(np.sum(partial))
        workers.run(
            lambda n, low, high, by=fresh / rho: _turn(direction, rest, by, low, high), numbered
        )
        rho = fresh
    return step, most


@njit(cache=True, nogil=True)
def _multiply(
    blocks: Any,
    pairs: Pairs,
    vector: Float,
    out: Float,
    partial: Float,
    number: int,
    low: int,
    high: int,
) -> None:
    dot = 0.0
    for a in range(low, high):
        v0, v1, v2 = vector[a, 0], vector[a, 1], vector[a, 2]
        s0, s1, s2 = v0, v1, v2
        for t in range(pairs.start[a], pairs.start[a + 1]):
            b = pairs.other[t]
            u0, u1, u2 = vector[b, 0], vector[b, 1], vector[b, 2]
            s0 += blocks[t, 0, 0] * u0 + blocks[t, 0, 1] * u1 + blocks[t, 0, 2] * u2
            s1 += blocks[t, 1, 0] * u0 + blocks[t, 1, 1] * u1 + blocks[t, 1, 2] * u2
            s2 += blocks[t, 2, 0] * u0 + blocks[t, 2, 1] * u1 + blocks[t, 2, 2] * u2
        out[a, 0], out[a, 1], out[a, 2] = s0, s1, s2
        dot += s0 * v0 + s1 * v1 + s2 * v2
    partial[number] = dot


@njit(cache=True, nogil=True)
def _advance(
    step: Float,
    rest: Float,
    direction: Float,
    image: Float,
    by: float,
    partial: Float,
    number: int,
    low: int,
    high: int,
) -> None:
    norm = 0.0
    for a in range(low, high):
        for c in range(3):
            step[a, c] += by * direction[a, c]
            rest[a, c] -= by * image[a, c]
            norm += rest[a, c] * rest[a, c]
    partial[number] = norm


@njit(cache=True, nogil=True)
def _turn(direction: Float, rest: Float, by: float, low: int, high: int) -> None:
    for a in range(low, high):
        for c in range(3):
            direction[a, c] = rest[a, c] + by * direction[a, c]
