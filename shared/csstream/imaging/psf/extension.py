"""The PSF extension of a frame: a table, or a cube of tables with PSFEx's polynomial keywords.

PSFEx (Bertin 2011, ASP 442, 435) writes positions in the FITS convention, the centre of the
first pixel at (1, 1); this is the only module that knows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.errors import FrameError
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]

MAX_SIDE = 2049  # [sample]
MAX_DEGREE = 6
MAX_SAMPLES = 2**24  # of all tables together
MAX_OVERSAMPLING = 16
LEAST_REACH = 3  # [pixel]
LEAST_LIGHT = 0.5  # share of a star's light that a table must hold


def check_psf_header(header: Mapping[str, Any], shape: tuple[int, ...], path: str) -> None:
    """Check what a PSF extension declares, before its samples are read.

    ``shape`` as declared: (k, k) or (K, k, k). Raises :class:`FrameError` ``bad_psf``.
    """
    square = len(shape) in (2, 3) and shape[-1] == shape[-2]
    if not square or shape[-1] % 2 == 0 or shape[-1] > MAX_SIDE:
        raise _bad(path, f"is {shape}, not square and odd-sized")
    if math.prod(shape) > MAX_SAMPLES:
        raise _bad(path, f"holds {math.prod(shape)} samples, more than {MAX_SAMPLES}")
    step = header.get("OVERSAMP")
    if not isinstance(step, int) or not 1 <= step <= MAX_OVERSAMPLING:
        raise _bad(path, f"keyword OVERSAMP is {step!r}, not 1 to {MAX_OVERSAMPLING}")
    if (shape[-1] - 1) // (2 * step) < LEAST_REACH:
        raise _bad(path, f"reaches less than {LEAST_REACH} pixels out")
    light = header.get("PSFLIGHT", 1.0)
    if not (isinstance(light, int | float) and LEAST_LIGHT <= light <= 1.0):
        raise _bad(path, f"keyword PSFLIGHT is {light!r}, not {LEAST_LIGHT} to 1")
    degree = _degree(header, path)
    wanted = (degree + 1) * (degree + 2) // 2
    if (shape[0] if len(shape) == 3 else 1) != wanted:
        raise _bad(path, f"is {shape}: polynomials of degree {degree} take {wanted} tables")


def field_psf_from_extension(
    header: Mapping[str, Any], samples: npt.NDArray[Any], shape: tuple[int, int], path: str
) -> FieldPsf:
    """Make the PSF of an extension that :func:`check_psf_header` has passed.

    The first table is normalised to the share of a star's light that it holds, PSFLIGHT, and the
    others to none, so that a star of one flux gives the same light all over the field.

    Parameters
    ----------
    samples : ndarray, (k, k) or (K, k, k)
    shape : (ny, nx) of the frame [pixel]
        The PSF must have a positive peak in its middle and corners.

    Raises
    ------
    FrameError
        ``bad_psf``.
    """
    step = int(header["OVERSAMP"])
    light = float(header.get("PSFLIGHT", 1.0))
    tables = _normalised(np.asarray(samples, np.float64), step, light, path)
    degree = _degree(header, path)
    if degree == 0:
        return FieldPsf.constant(PixelPsf(tables[0], step))
    origin = tuple(_number(header, f"POLZERO{axis}", path) - 1.0 for axis in (1, 2))
    scale = tuple(_number(header, f"POLSCAL{axis}", path) for axis in (1, 2))
    if not (scale[0] > 0.0 and scale[1] > 0.0):
        raise _bad(path, f"keywords POLSCAL1, POLSCAL2 are {scale}, not positive")
    terms = tuple(PixelPsf(table, step) for table in tables)
    psf = FieldPsf(terms, degree, (origin[0], origin[1]), (scale[0], scale[1]))
    _check_peaks(psf, shape, path)
    return psf


def psf_extension(psf: FieldPsf, reach: int) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
    """Return samples and keywords of the extension that holds a PSF.

    ``reach`` [pixel] is the half-width of the tables that are written. A constant PSF is one
    table (k, k), a varying one a cube (K, k, k).
    """
    half = min(reach, psf.half_width) * psf.oversampling
    centre = psf.terms[0].samples.shape[0] // 2
    core = slice(centre - half, centre + half + 1)
    cube = np.stack([term.samples[core, core] for term in psf.terms]).astype(np.float32)
    light = float(cube[0].sum(dtype=np.float64)) / psf.oversampling**2
    cards: dict[str, Any] = {"OVERSAMP": psf.oversampling, "PSFLIGHT": min(light, 1.0)}
    if psf.degree == 0:
        return cube[0], cards
    cards |= {"POLNAXIS": 2, "POLGRP1": 1, "POLGRP2": 1, "POLNGRP": 1, "POLDEG1": psf.degree}
    for axis in (1, 2):
        cards[f"POLZERO{axis}"] = psf.origin[axis - 1] + 1.0
        cards[f"POLSCAL{axis}"] = psf.scale[axis - 1]
    return cube, cards


def _bad(path: str, sentence: str) -> FrameError:
    return FrameError("bad_psf", f"{path}: extension PSF {sentence}")


def _degree(header: Mapping[str, Any], path: str) -> int:
    """Total degree of the polynomials; zero without the keywords."""
    axes = header.get("POLNAXIS", 0)
    if axes == 0:
        return 0
    if axes != 2 or header.get("POLNGRP", 1) != 1:
        raise _bad(path, "varies with something else than x and y (POLNAXIS, POLNGRP)")
    degree = header.get("POLDEG1")
    if not isinstance(degree, int) or not 0 <= degree <= MAX_DEGREE:
        raise _bad(path, f"keyword POLDEG1 is {degree!r}, not 0 to {MAX_DEGREE}")
    return degree


def _number(header: Mapping[str, Any], name: str, path: str) -> float:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(path, f"keyword {name} is {value!r}, not a number")
    return float(value)


def _normalised(samples: Float, step: int, light: float, path: str) -> Float:
    tables = samples.reshape(-1, *samples.shape[-2:])
    finite = bool(np.all(np.isfinite(tables)))
    total = float(tables[0].sum()) if finite else math.nan
    if not (math.isfinite(total) and total > 0.0 and np.max(tables[0]) > 0.0):
        raise _bad(path, "has no positive, finite sum")
    tables = tables * (light * step**2 / total)
    sums = tables.sum(axis=(1, 2)) / step**2
    sums[0] = 0.0
    return np.ascontiguousarray(tables - (sums / light)[:, None, None] * tables[0])


def _check_peaks(psf: FieldPsf, shape: tuple[int, int], path: str) -> None:
    ny, nx = shape
    for x, y in ((0, 0), (nx, 0), (0, ny), (nx, ny), (0.5 * nx, 0.5 * ny)):
        samples = psf.at(x, y).samples
        centre = samples.shape[0] // 2
        if not samples[centre, centre] > 0.0:
            raise _bad(path, f"is not positive at x = {x:g}, y = {y:g}: check POLZERO, POLSCAL")
