"""How the joint fit goes about it, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.frames.background import DEFAULT_MESH
from csstream.imaging.frames.frame import Image

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How the joint fit goes about it. Widths given in FWHM scale with the PSF."""

    iterations: int = 6
    position_prior: float = 0.1  # [pixel] sigma of a star's position around its start
    max_step: float = 0.3  # [pixel] per iteration
    max_shift: float = 1.5  # [pixel] from the whole pixel that anchors the stamp
    cg_iterations: int = 40
    cg_tolerance: float = 0.02
    fit_half_fwhm: float = 2.4  # [FWHM] half-width of the fit stamp
    fit_half_least: int = 5  # [pixel]
    masked_half_fwhm: float = 7.0  # [FWHM] the same, for stars whose centre is masked
    psf_error: float = 0.0  # relative error of the PSF's values, added to the variance
    error_radius_fwhm: float = 2.7  # [FWHM] neighbours in the local inverse
    error_neighbours: int = 12
    background_mesh: int = DEFAULT_MESH  # [pixel]; 0 keeps the background as given
    frozen: int = 0  # weights and normal matrix stay as of this iteration; 0: they are renewed
    sky_first: bool = False  # correct the sky before the first step: the stars' light is known
    settled: float = 0.01  # the fit ends early when a smaller share of the stars still moves
    threads: int = 1  # results do not depend on it


@dataclass(frozen=True, eq=False)
class FitResult:
    """Measured stars, in the order given; all arrays (n,), float64.

    ``flux`` is in the image's unit, errors are nan where the data do not constrain the star.
    """

    x: Float
    y: Float
    flux: Float
    x_err: Float
    y_err: Float
    flux_err: Float
    chi2: Float  # reduced, over the core
    centre: Float  # [sigma] largest positive residual within a pixel and a half of the centre
    contamination: Float  # flux of other stars seen through this star's profile
    share: Float  # of the star's information that lies in usable pixels
    converged: npt.NDArray[np.bool_]
    background: Image  # (ny, nx) corrected sky
    residual: Image  # (ny, nx) image − sky − stars; zero where masked
    weight: Image  # (ny, nx) one over the variance; zero where masked
    iterations: int

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> FitResult:
        """Return the stars chosen by a mask or by indices, on the same images."""
        names = (
            "x", "y", "flux", "x_err", "y_err", "flux_err", "chi2", "centre", "contamination",
            "share", "converged",
        )  # fmt: skip
        return replace(self, **{name: getattr(self, name)[rows] for name in names})
