"""Fields for scoring: as crowded as the sky, with many variables of known signal-to-noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from csstream.imaging.fit.bound import cramer_rao_bound
from csstream.imaging.matching import merge_close
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import StarCatalogue, electrons_from_magnitudes
from csstream.simulation.field import EDGE, Field
from csstream.simulation.frames import background_level
from csstream.simulation.variables.flat import FlatSettings, draw_flat

Float = npt.NDArray[np.float64]

MERGED = 0.4  # [pixel] stars closer than this are one entry of any list
BRIGHTEST, FAINTEST = 18.6, 25.0  # [mag] of the stars that may vary


def list_sigma(
    stars: StarCatalogue, psf: PixelPsf, shape: tuple[int, int], instrument: Instrument
) -> Float:
    """Return σ₁ of every star over its own flux in one nominal exposure, (n,).

    The joint Cramér–Rao bound of the fluxes of all stars, positions known; stars closer than 0.4
    pixels are one. What is merged shares one error, so a faint star in the light of a bright one
    has a large σ₁. Infinite for stars far outside the frame.
    """
    flux = electrons_from_magnitudes(stars.mag, instrument)
    owner = merged_owner(stars.x, stars.y, flux)
    kept = np.unique(owner)
    total = np.bincount(owner, flux, len(stars))[kept]
    bound = cramer_rao_bound(
        psf,
        stars.x[kept],
        stars.y[kept],
        total,
        shape=shape,
        background=background_level(instrument),
        read_noise=instrument.detector.read_noise,
        free_positions=False,
    )
    error = np.full(len(stars), np.inf)
    error[kept] = bound.flux_err
    return np.asarray(error[owner] / flux)


def merged_owner(x: Float, y: Float, flux: Float) -> npt.NDArray[np.int64]:
    """Return of every star the one that stands for it in a list merged at 0.4 pixels, (n,)."""
    keep = merge_close(x, y, flux, MERGED)
    owner = np.arange(x.size)
    gone = np.flatnonzero(~keep)
    if gone.size:
        kept = np.flatnonzero(keep)
        tree = cKDTree(np.stack([x[kept], y[kept]], axis=1))
        owner[gone] = kept[tree.query(np.stack([x[gone], y[gone]], axis=1))[1]]
    return owner


def with_flat_variables(
    stars: StarCatalogue,
    sigma: Float,
    settings: FlatSettings,
    shape: tuple[int, int],
    time: Float,
    rng: np.random.Generator,
) -> Field:
    """Let stars of a field vary, wherever they lie but at its edge; blends and all.

    ``sigma`` (n,) as :func:`list_sigma`; ``time`` (m,) [day] mid-exposures.
    """
    ny, nx = shape
    inner = (stars.x > EDGE) & (stars.x < nx - 1 - EDGE)
    inner &= (stars.y > EDGE) & (stars.y < ny - 1 - EDGE)
    inner &= (stars.mag > BRIGHTEST) & (stars.mag < FAINTEST)
    drawn = draw_flat(rng, np.where(inner, sigma, np.nan), settings, time)
    constant = np.setdiff1d(np.arange(len(stars)), drawn.rows)
    ordered = stars.take(np.concatenate([constant, drawn.rows]))
    return Field(ordered, drawn.variables, shape)
