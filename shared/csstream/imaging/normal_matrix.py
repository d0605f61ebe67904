"""The joint fit's normal matrix: overlapping pairs, 3×3 blocks, conjugate gradients.

There is one block per star and one per pair of stars whose fit stamps overlap. It is the Gram
matrix of the stamps (see :mod:`csstream.imaging.joint_kernels`), so it cannot become indefinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def find_pairs(anchor_x: Int, anchor_y: Int, half: Int) -> tuple[Int, Int]:
    """Return the pairs (a < b) of stars whose fit stamps overlap, ordered by a."""
    n = anchor_x.size
    if n == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    cell = 2 * half.max() + 1
    low_x, low_y = anchor_x.min(), anchor_y.min()
    columns = (anchor_x.max() - low_x) // cell + 1
    rows = (anchor_y.max() - low_y) // cell + 1
    home = ((anchor_y - low_y) // cell) * columns + (anchor_x - low_x) // cell
    start = np.zeros(rows * columns + 1, np.int64)
    for k in range(n):
        start[home[k] + 1] += 1
    start = np.cumsum(start)
    order = np.argsort(home, kind="mergesort")
    none = np.empty(0, np.int64)
    args = (anchor_x, anchor_y, half, home, start, order, rows, columns)
    total = _scan_pairs(args, none, none)
    first, second = np.empty(total, np.int64), np.empty(total, np.int64)
    _scan_pairs(args, first, second)
    return first, second


@njit(cache=True, nogil=True)
def _scan_pairs(args: Any, first: Any, second: Any) -> int:
    """Count the pairs; write them where there is room for them."""
    anchor_x, anchor_y, half, home, start, order, rows, columns = args
    found = 0
    for a in range(anchor_x.size):
        row, column = home[a] // columns, home[a] % columns
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                for t in range(start[r * columns + c], start[r * columns + c + 1]):
                    b = order[t]
                    if b <= a:
                        continue
                    reach = half[a] + half[b]
                    if abs(anchor_x[a] - anchor_x[b]) > reach:
                        continue
                    if abs(anchor_y[a] - anchor_y[b]) > reach:
                        continue
                    if found < first.size:
                        first[found], second[found] = a, b
                    found += 1
    return found


@njit(cache=True, nogil=True)
def gradient_and_diagonal(
    residual: Single,
    weight: Single,
    flux: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: Int,
    offset: Int,
    stamps: Single,
    gradient: Float,
    diagonal: Float,
) -> None:
    """Write each star's gradient (n, 3) and own block of the normal matrix (n, 3, 3)."""
    ny, nx = residual.shape
    for k in range(flux.size):
        h, at = half[k], offset[k]
        side = 2 * h + 1
        scale = max(flux[k], 0.0)
        g0, g1, g2 = 0.0, 0.0, 0.0
        h00, h01, h02, h11, h12, h22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(max(anchor_y[k] - h, 0), min(anchor_y[k] + h + 1, ny)):
            base = at + (j - anchor_y[k] + h) * side - anchor_x[k] + h
            for i in range(max(anchor_x[k] - h, 0), min(anchor_x[k] + h + 1, nx)):
                w = weight[j, i]
                p, px, py = stamps[0, base + i], stamps[1, base + i], stamps[2, base + i]
                wr = w * residual[j, i]
                g0 += wr * p
                g1 += wr * px
                g2 += wr * py
                h00 += w * p * p
                h01 += w * p * px
                h02 += w * p * py
                h11 += w * px * px
                h12 += w * px * py
                h22 += w * py * py
        gradient[k, 0], gradient[k, 1], gradient[k, 2] = g0, g1 * scale, g2 * scale
        d = diagonal[k]
        d[0, 0], d[1, 1], d[2, 2] = h00, h11 * scale * scale, h22 * scale * scale
        d[0, 1] = d[1, 0] = h01 * scale
        d[0, 2] = d[2, 0] = h02 * scale
        d[1, 2] = d[2, 1] = h12 * scale * scale


@njit(cache=True, nogil=True)
def pair_blocks(
    weight: Single,
    flux: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: Int,
    offset: Int,
    stamps: Single,
    first: Int,
    second: Int,
    blocks: Single,
) -> None:
    """Write the normal matrix's block (m, 3, 3) of each pair: rows of ``first``."""
    ny, nx = weight.shape
    for q in range(first.size):
        a, b = first[q], second[q]
        ha, hb = half[a], half[b]
        x_low = max(max(anchor_x[a] - ha, anchor_x[b] - hb), 0)
        x_high = min(min(anchor_x[a] + ha, anchor_x[b] + hb), nx - 1)
        y_low = max(max(anchor_y[a] - ha, anchor_y[b] - hb), 0)
        y_high = min(min(anchor_y[a] + ha, anchor_y[b] + hb), ny - 1)
        s00, s01, s02, s10, s11, s12, s20, s21, s22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(y_low, y_high + 1):
            at_a = offset[a] + (j - anchor_y[a] + ha) * (2 * ha + 1) - anchor_x[a] + ha
            at_b = offset[b] + (j - anchor_y[b] + hb) * (2 * hb + 1) - anchor_x[b] + hb
            for i in range(x_low, x_high + 1):
                w = weight[j, i]
                p, px, py = (
                    w * stamps[0, at_a + i],
                    w * stamps[1, at_a + i],
                    w * stamps[2, at_a + i],
                )
                q0, q1, q2 = stamps[0, at_b + i], stamps[1, at_b + i], stamps[2, at_b + i]
                s00 += p * q0
                s01 += p * q1
                s02 += p * q2
                s10 += px * q0
                s11 += px * q1
                s12 += px * q2
                s20 += py * q0
                s21 += py * q1
                s22 += py * q2
        fa, fb = max(flux[a], 0.0), max(flux[b], 0.0)
        block = blocks[q]
        block[0, 0], block[0, 1], block[0, 2] = s00, s01 * fb, s02 * fb
        block[1, 0], block[1, 1], block[1, 2] = s10 * fa, s11 * fa * fb, s12 * fa * fb
        block[2, 0], block[2, 1], block[2, 2] = s20 * fa, s21 * fa * fb, s22 * fa * fb


@njit(cache=True, nogil=True)
def invert_blocks(diagonal: Float, inverse: Float) -> None:
    """Write the inverse of each symmetric 3×3 block (n, 3, 3)."""
    for k in range(diagonal.shape[0]):
        d = diagonal[k]
        a, b, c = d[0, 0], d[0, 1], d[0, 2]
        e, f, i = d[1, 1], d[1, 2], d[2, 2]
        c0, c1, c2 = e * i - f * f, c * f - b * i, b * f - c * e
        det = a * c0 + b * c1 + c * c2
        scale = 1.0 / det if det > 0.0 else 0.0
        out = inverse[k]
        out[0, 0], out[1, 1], out[2, 2] = (
            c0 * scale,
            (a * i - c * c) * scale,
            (a * e - b * b) * scale,
        )
        out[0, 1] = out[1, 0] = c1 * scale
        out[0, 2] = out[2, 0] = c2 * scale
        out[1, 2] = out[2, 1] = (b * c - a * f) * scale


@njit(cache=True, nogil=True)
def _apply(m: Any, v: Any, out: Any) -> None:
    for k in range(v.shape[0]):
        for r in range(3):
            out[k, r] = m[k, r, 0] * v[k, 0] + m[k, r, 1] * v[k, 1] + m[k, r, 2] * v[k, 2]


@njit(cache=True, nogil=True)
def _multiply(diagonal: Any, blocks: Any, first: Any, second: Any, v: Any, out: Any) -> None:
    _apply(diagonal, v, out)
    for q in range(first.size):
        a, b = first[q], second[q]
        for r in range(3):
            for c in range(3):
                out[a, r] += blocks[q, r, c] * v[b, c]
                out[b, c] += blocks[q, r, c] * v[a, r]


@njit(cache=True, nogil=True)
def solve(
    diagonal: Float,
    inverse: Float,
    blocks: Single,
    first: Int,
    second: Int,
    gradient: Float,
    max_iterations: int,
    tolerance: float,
) -> tuple[Float, int]:
    """Solve the block-sparse system by conjugate gradients, preconditioned by the 3×3 blocks.

    Returns the step (n, 3) and the iterations taken; stops when the preconditioned residual has
    shrunk by ``tolerance`` or the curvature along a direction is not positive.
    """
    step = np.zeros_like(gradient)
    rest = gradient.copy()
    z, q = np.empty_like(gradient), np.empty_like(gradient)
    _apply(inverse, rest, z)
    direction = z.copy()
    rho = np.sum(rest * z)
    goal = tolerance * tolerance * rho
    for iteration in range(max_iterations):
        if rho <= goal or rho <= 0.0:
            return step, iteration
        _multiply(diagonal, blocks, first, second, direction, q)
        curvature = np.sum(direction * q)
        if not curvature > 0.0:
            return step, iteration
        alpha = rho / curvature
        step += alpha * direction
        rest -= alpha * q
        _apply(inverse, rest, z)
        fresh = np.sum(rest * z)
        direction = z + (fresh / rho) * direction
        rho = fresh
    return step, max_iterations
