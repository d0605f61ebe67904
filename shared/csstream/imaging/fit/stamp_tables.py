"""The PSF's tables as the joint fit's kernels read them: cropped, padded, in single precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from csstream.imaging.fit.lanes import LANES
from csstream.imaging.fit.stamp_kernels import Field, Table
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

SPLINE_MARGIN = 8  # [pixel] beyond which a border does not touch a spline's coefficients
WING_CELL = 1024  # [pixel] within it the wings, beyond the fit stamp, have one PSF


def stamp_table(psf: FieldPsf, half: int, dtype: npt.DTypeLike = np.float32) -> Table:
    """Return the terms' tables, as wide as a stamp of half-width ``half`` [pixel] reads them."""
    cropped = [_cropped(term, half) for term in psf.terms]
    values = np.ascontiguousarray(np.stack([planes for planes, _ in cropped]), dtype)
    return Table(values, cropped[0][1], psf.oversampling)


def wing_tables(
    psf: FieldPsf, x: Float, y: Float, half: int
) -> tuple[Table, npt.NDArray[np.int64]]:
    """Return tables of samples for wide stamps, and which of them each star at x, y takes.

    Wings vary little: one table serves all stars of a cell of :data:`WING_CELL` pixels.
    """
    step, reach = psf.oversampling, half + LANES + 5
    before = reach * step - (psf.terms[0].samples.shape[0] - 1) // 2
    behind = before + (LANES + 1) * step - 1
    terms = [_resized(term.samples.astype(np.float32), before, behind) for term in psf.terms]
    cells = np.stack([np.floor(x / WING_CELL), np.floor(y / WING_CELL)], axis=1)
    if len(psf.terms) == 1:
        cells[:] = 0.0
    places, which = np.unique(cells, axis=0, return_inverse=True)
    if len(terms) == 1:
        tables = terms[0][None]
    else:
        mix = psf.weights(*((places + 0.5) * WING_CELL).T)
        tables = np.tensordot(mix, np.stack(terms), 1).astype(np.float32)
    size = tables.shape[1] // step
    planes = tables.reshape(-1, size, step, size, step).transpose(0, 2, 4, 1, 3)
    values = np.ascontiguousarray(planes, np.float32)
    return Table(values, reach * step, step), which.ravel().astype(np.int64)


def _resized(samples: Single, before: int, behind: int) -> Single:
    """Pad a table with zeros on both axes, or cut it where the number is negative."""
    padded = np.pad(samples, ((max(before, 0), max(behind, 0)),) * 2)
    ends = (max(-before, 0), padded.shape[0] - max(-behind, 0))
    return padded[ends[0] : ends[1], ends[0] : ends[1]]


def _cropped(psf: PixelPsf, half: int) -> tuple[Float, int]:
    """Planes as far from the centre as the taps of a stamp's outermost pixels reach."""
    reach = half + 2
    if psf.half_width > reach + LANES + SPLINE_MARGIN:
        middle, kept = psf.samples.shape[0] // 2, (reach + LANES + SPLINE_MARGIN) * psf.oversampling
        inner = slice(middle - kept, middle + kept + 1)
        psf = PixelPsf(psf.samples[inner, inner], psf.oversampling)
    first = psf.centre // psf.oversampling - reach
    size = 2 * reach + 1 + LANES
    before = max(0, -first)
    after = max(0, first + size - psf.planes.shape[2])
    planes = np.pad(psf.planes, ((0, 0), (0, 0), (before, after), (before, after)))
    part = slice(first + before, first + before + size)
    return planes[:, :, part, part], psf.centre - first * psf.oversampling


def local_field(psf: FieldPsf, half: int, x: Float, y: Float, centres: Float) -> Field:
    """Return the PSF for stars at x, y that are treated in tiles with these centres (tiles, 2).

    PSFs of more than three terms are expanded around the centres, to first order: over half a
    tile of a hundred pixels a detector's PSF bends by less than 1e-4.
    """
    terms = len(psf.terms)
    expansion = np.zeros((0, 3, terms))
    if terms > 3:
        u, v = centres.T
        by_x = 0.5 * (psf.weights(u + 1.0, v) - psf.weights(u - 1.0, v))
        by_y = 0.5 * (psf.weights(u, v + 1.0) - psf.weights(u, v - 1.0))
        expansion = np.stack([psf.weights(u, v), by_x, by_y], axis=1)
    return Field(stamp_table(psf, half), psf.weights(x, y), expansion, centres)


def exact_field(psf: FieldPsf, half: int, x: Float, y: Float) -> Field:
    """Return the PSF for stars at x, y, in double precision and without an expansion."""
    table = stamp_table(psf, half, np.float64)
    none = np.zeros((0, 3, len(psf.terms)))
    return Field(table, psf.weights(x, y), none, np.zeros((0, 2)))
