"""A frame from a file with a table of what is true in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from csstream.evaluate.scenes import Scene, truth_with_bound
from csstream.evaluation.lists import Float, Mask
from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.frames.fits_io import read_frame
from csstream.imaging.frames.frame import Frame
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.imaging.psf_fit.estimate import estimate_psf
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import StarCatalogue

MARGIN = 80.0  # [pixel] stars beyond the edge that are kept
FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits", ".fit": "fits"}
MAGNITUDES = ("mag", "imag", "i", "mag_i")


class TruthError(ValueError):
    """The truth table cannot be read, or lacks what is needed."""


def read_scene(frame_path: Path, truth_path: Path, instrument: Instrument) -> Scene:
    """Read a frame and its truth table; the PSF is the frame's own or estimated from it.

    The sky under the stars comes from a fit of the true stars, for the bound needs it.

    Raises
    ------
    TruthError
        The table has no magnitudes, neither x, y nor ra, dec, or no star in the frame.
    csstream.imaging.errors.FrameError
        The frame cannot be used.
    """
    frame = read_frame(frame_path, instrument, require_time=False)
    stars = read_truth(truth_path, frame)
    nominal = psf_from_instrument(instrument)
    psf = frame.psf
    if psf is None:
        estimate = estimate_psf(frame, nominal)
        psf = FieldPsf.constant(nominal) if estimate is None else estimate.psf
    exponent = -0.4 * (stars.mag - frame.zero_point)
    flux = np.asarray(frame.exposure_time * 10.0**exponent, np.float64)
    level = _level(frame, psf, stars, flux)
    return Scene(
        name=frame_path.stem,
        instrument=instrument,
        frame=frame,
        psf=psf,
        nominal=nominal,
        truth=truth_with_bound(stars, flux, frame, psf, level),
        flux=flux,
        level=level,
    )


def facts(scene: Scene, limit: float) -> dict[str, Any]:
    """Return what pins the scene, for people and for the JSON file."""
    return {
        "label": scene.name,
        "instrument": scene.instrument.name,
        "sky": round(float(np.median(scene.level)) / scene.frame.exposure_time, 4),
        "zero_point": scene.frame.zero_point,
        "exposure_time": scene.frame.exposure_time,
        "scored_to": limit,
        "psf": "from the frame's extension" if scene.frame.psf else "estimated from the frame",
    }


def read_truth(path: Path, frame: Frame) -> StarCatalogue:
    """Read true positions and magnitudes in a frame and just beyond it, (m,).

    ``ra, dec`` [deg] are taken where the frame has a WCS, else ``x, y`` [pixel, 0-based]; rows of
    other detectors are dropped where the table has a column ``detector``.
    """
    table = _read_table(path)
    if "detector" in table.colnames:
        table = table[np.asarray(table["detector"]) == frame.header.detector]
    x, y = _positions(table, frame, path)
    name = next((name for name in MAGNITUDES if name in table.colnames), None)
    if name is None:
        raise TruthError(f"{path}: no magnitudes; a column {' or '.join(MAGNITUDES)} is needed")
    mag = _column(table, name)
    ny, nx = frame.shape
    near: Mask = (x > -MARGIN) & (x < nx + MARGIN) & (y > -MARGIN) & (y < ny + MARGIN)
    near &= np.isfinite(mag)
    if not near.any():
        raise TruthError(f"{path}: no star of the table lies in the frame")
    return StarCatalogue(x[near], y[near], mag[near])


def _read_table(path: Path) -> Any:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise TruthError(f"{path}: the name must end in {', '.join(FORMATS)}")
    try:
        table = Table.read(path, format=kind)
    except (OSError, ValueError) as error:
        raise TruthError(f"{path}: {error}") from error
    table.rename_columns(table.colnames, [name.lower() for name in table.colnames])
    return table


def _positions(table: Any, frame: Frame, path: Path) -> tuple[Float, Float]:
    if frame.wcs is not None and {"ra", "dec"} <= set(table.colnames):
        x, y = frame.wcs.world_to_pixel_values(_column(table, "ra"), _column(table, "dec"))
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    if {"x", "y"} <= set(table.colnames):
        return _column(table, "x"), _column(table, "y")
    raise TruthError(f"{path}: needs columns x and y, or ra and dec and a frame with a WCS")


def _column(table: Any, name: str) -> Float:
    return np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan)


def _level(frame: Frame, psf: FieldPsf, stars: StarCatalogue, flux: Float) -> Any:
    """Return the sky, (ny, nx) float32 [electron], from a fit with positions all but held."""
    first = estimate_background(frame.image, frame.mask).level
    settings = FitSettings(iterations=4, position_prior=0.1)
    return joint_fit(
        frame.image,
        frame.mask,
        first,
        psf,
        stars.x,
        stars.y,
        flux,
        read_noise=frame.read_noise,
        settings=settings,
    ).background
