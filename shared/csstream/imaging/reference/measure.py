"""A frame measured by a reference list: every listed star, whether it is seen or not.

The list is the same in all frames, so no flux jumps when a neighbour is missed. What all stars
share is fitted first: the sky, the PSF's width and shape, shift, rotation and distortion; then all
stars at once, held near their places. What the list lacks is looked for in the residual, and cannot
touch the listed stars' fluxes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter

from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.fit.joint_fit import FitResult, FitSettings, Reject, joint_fit
from csstream.imaging.frames.background import Background, estimate_background
from csstream.imaging.frames.checks import check_pixels, with_hidden_noise
from csstream.imaging.frames.flags import UNRELIABLE, Flag
from csstream.imaging.frames.frame import Frame
from csstream.imaging.frames.hidden_hits import hidden_hits
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.measured import Measured, depth_of
from csstream.imaging.preparation import Stopwatch, cleaned, first_psf, with_hits
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.estimate import PsfEstimate
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.common import Common, fit_common
from csstream.imaging.reference.excess import Excess, excess_noise
from csstream.imaging.reference.extras import find_extras
from csstream.imaging.reference.first_look import bright_stars, first_alignment
from csstream.imaging.reference.placing import frame_wcs, predicted
from csstream.imaging.reference.tables import extra_table, inside, joined, listed_table, with_excess
from csstream.imaging.reference.zero_point_map import ZeroPointMap, zero_point_map
from csstream.imaging.sky import pixel_positions, sky_positions
from csstream.imaging.source_flags import source_flags
from csstream.imaging.source_table import MAG_PER_RELATIVE_FLUX, SourceTable

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

FROZEN = 2  # iteration whose weights stay: saturated stars may be listed wrong by factors
AROUND_SATURATED = 3.0  # [FWHM] the list may be wrong by more than any hit
LONE = 0.1  # most of a neighbour's light in a star that tells how large the noise is
CG_TOLERANCE = 0.03  # of each of the iterations, whose errors multiply


def measure_listed(
    frame: Frame,
    reference: ReferenceCatalogue,
    *,
    nominal_psf: PixelPsf | None = None,
    settings: MeasureSettings | None = None,
    strategy: DetectionStrategy | None = None,
) -> Measured:
    """Measure all stars of a reference catalogue in one frame.

    Parameters
    ----------
    nominal_psf : PixelPsf, optional
        Used where the frame has no PSF extension and too few bright stars to make one.
    strategy : DetectionStrategy, optional
        Not needed: extras are found by a matched filter on the residual.

    Returns
    -------
    Measured
        ``sources`` has one row per listed star that lies on the frame, in the list's order and at
        its reference position (ra, dec), then the extras (``object_id`` 0). Fluxes are in the
        frame's electron/s. What the frame's zero point differs from ``zero_point`` at a star's
        place is taken out of its flux, each star left out of its own. Errors hold what the listed
        stars scatter beyond their photons' noise, and positions' errors the list's. Where no pixel
        tells anything, flux and error are nan; negative fluxes stay.

    Raises
    ------
    FrameError
        ``no_pixels``, ``saturated``, ``bad_unit`` or ``no_psf`` as
        :func:`csstream.imaging.measure.measure_frame`, ``not_registered`` where the list's
        bright stars are not those of the frame.
    """
    return _Listed(frame, reference, settings or MeasureSettings()).run(nominal_psf)


@dataclass(frozen=True, eq=False)
class ListedFit:
    """The fit of a list in one frame, with its residual."""

    fit: FitResult
    psf: PixelPsf  # in the middle of the frame
    scale: float  # the list's electron/s of one electron of the frame
    excess: float  # factor by which the frame's noise exceeds its photons'
    to_plane: Callable[[Float, Float], tuple[Float, Float]]  # pixels of the frame to the list's


def fit_listed(
    frame: Frame,
    reference: ReferenceCatalogue,
    *,
    nominal_psf: PixelPsf | None = None,
    settings: MeasureSettings | None = None,
) -> ListedFit:
    """Fit a list in one frame as :func:`measure_listed` does, for what the fit leaves over."""
    steps = _Listed(frame, reference, settings or MeasureSettings())
    measured = steps.run(nominal_psf)
    change = 10.0 ** (0.4 * (reference.zero_point - measured.zero_point))

    def to_plane(x: Float, y: Float) -> tuple[Float, Float]:
        return pixel_positions(
            reference.wcs, *sky_positions(steps.wcs, *steps.alignment.undo(x, y))
        )

    scale = change / frame.exposure_time
    return ListedFit(steps.fit, steps.psf.central, scale, steps.excess.factor, to_plane)


class _Listed:
    """The steps on one frame, timed."""

    def __init__(
        self, frame: Frame, reference: ReferenceCatalogue, settings: MeasureSettings
    ) -> None:
        check_pixels(frame)
        self.frame, self.reference, self.settings = frame, reference, settings
        self.watch = Stopwatch()

    def run(self, nominal_psf: PixelPsf | None) -> Measured:
        s, timed = self.settings, self.watch.timed
        with timed("background"):
            background = estimate_background(self.frame.image, self.frame.mask, s.background_mesh)
            self.frame = with_hidden_noise(self.frame, background.level)
        with timed("psf"):
            estimate = first_psf(self.frame, nominal_psf)
        with timed("cosmic_rays"):
            self.frame, _ = cleaned(self.frame, background, estimate, cosmic_rays=s.cosmic_rays)
        with timed("registration"):
            self._register(background, estimate)
        with timed("common"):
            common = self._common(background, estimate)
            estimate = common.estimate
        with timed("fit"):
            fit = self.fit = self._fit(background, common)
            self.psf = estimate.psf
        with timed("zero_point"):
            tied = self._tie(fit)
            listed = self._listed(fit, tied)
        with timed("extras"):
            extras = find_extras(self.frame, fit, estimate, s, self.excess.factor)
        with timed("table"):
            sources = self._with_extras(listed, extras, tied)
        return self._measured(sources, fit, estimate, tied)

    def _register(self, background: Background, estimate: PsfEstimate) -> None:
        """Find where on the frame the list's stars are, to some hundredths of a pixel."""
        frame, stars = self.frame, self.reference.stars
        peaks = bright_stars(frame, background, estimate.psf.fwhm)
        self.wcs, self.registration = frame_wcs(frame, self.reference, peaks)
        x, y = predicted(self.wcs, stars)
        reach = estimate.psf.half_width
        ny, nx = frame.shape
        near = (x > -reach) & (x < nx + reach) & (y > -reach) & (y < ny + reach)
        near &= np.isfinite(stars.flux)
        self.rows = np.flatnonzero(near)
        self.stars: ReferenceStarTable = stars.select(self.rows)
        self.x, self.y = x[near], y[near]
        self.alignment = first_alignment(peaks, self.x, self.y, self.stars.flux, frame.shape)

    def _common(self, background: Background, estimate: PsfEstimate) -> Common:
        """Fit what is common to all stars, from the bright ones."""
        common = fit_common(
            self.frame, background.level, estimate, self.stars, (self.x, self.y),
            self.alignment, self._expected(),
        )  # fmt: skip
        self.alignment, self._fwhm = common.alignment, common.estimate.psf.fwhm
        return common

    def _fit(self, background: Background, common: Common) -> FitResult:
        """Fit all stars, and mask the hits that show when they are taken off."""
        s, estimate, frame = self.settings, common.estimate, self.frame
        options = FitSettings(
            iterations=s.listed_iterations,
            position_prior=s.listed_prior,
            psf_error=max(estimate.error, s.least_psf_error),
            background_mesh=s.background_mesh,
            cg_tolerance=CG_TOLERANCE,
            sky_first=True,
            frozen=FROZEN,
            settled=0.0,
            threads=s.threads,
        )
        places = self.alignment.apply(self.x, self.y)
        fit = joint_fit(
            frame.image, frame.mask, background.level, estimate.psf, *places,
            common.scale * self._expected(), read_noise=frame.read_noise, settings=options,
            reject=self._hits_under_stars(estimate.psf.central) if s.cosmic_rays else None,
        )  # fmt: skip
        self.before_fit, self.frame = frame, with_hits(frame, (fit.weight == 0.0) & ~frame.mask)
        return fit

    def _hits_under_stars(self, psf: PixelPsf) -> Reject:
        """Return how hits are told in the residual; around saturated stars none are."""
        size = 2 * math.ceil(AROUND_SATURATED * psf.fwhm) + 1
        saturated = (self.frame.flags & int(Flag.SATURATED)) != 0
        around = maximum_filter(saturated, size) if saturated.any() else saturated
        return lambda residual, weight: hidden_hits(residual, weight, psf) & ~around

    def _expected(self) -> Float:
        """Fluxes [electron] that the list's stars have at the frame's nominal zero point."""
        change = 10.0 ** (0.4 * (self.frame.zero_point - self.reference.zero_point))
        return self.stars.flux * (change * self.frame.exposure_time)

    def _tie(self, fit: FitResult) -> ZeroPointMap:
        """Tie the fluxes to the catalogue's, smoothly over the frame."""
        frame, stars = self.frame, self.stars
        self.flags = source_flags(frame, self._fwhm, fit, self.settings.poor_chi2)
        with np.errstate(invalid="ignore", divide="ignore"):
            mag = self.reference.zero_point - 2.5 * np.log10(stars.flux)
            error = MAG_PER_RELATIVE_FLUX * stars.flux_err / stars.flux
        usable = stars.calibrator & (self.flags & int(UNRELIABLE) == 0)
        rate = 1.0 / frame.exposure_time
        return zero_point_map(
            fit.x, fit.y, rate * fit.flux, rate * fit.flux_err, mag, error, usable,
            frame.shape, frame.zero_point,
        )  # fmt: skip

    def _listed(self, fit: FitResult, tied: ZeroPointMap) -> SourceTable:
        """Return the listed stars on the frame, their errors as large as their scatter."""
        on_frame = np.flatnonzero(inside(fit.x, fit.y, self.frame.shape))
        prior = self.settings.listed_prior
        table = listed_table(self.stars, fit, tied, self.flags, self.frame, prior).select(on_frame)
        self.excess = self._excess(table, self.stars.select(on_frame), tied)
        return with_excess(table, self.excess)

    def _excess(self, table: SourceTable, stars: ReferenceStarTable, tied: ZeroPointMap) -> Excess:
        if not np.isfinite(tied.error):  # then the scale is not known either
            return Excess()
        scale = 10.0 ** (0.4 * (tied.zero_point - self.reference.zero_point))
        lone = (stars.neighbour_share < LONE) & (stars.flags == 0)
        lone &= table.flags & int(UNRELIABLE) == 0
        return excess_noise(
            table.flux, table.flux_err, scale * stars.flux, scale * stars.flux_err, lone
        )

    def _with_extras(
        self, listed: SourceTable, extras: FitResult, tied: ZeroPointMap
    ) -> SourceTable:
        """Append the extras; hits under stars do not flag them.

        A bright new star on top of a listed one may leave a sharp residual.
        """
        u, v = self.alignment.undo(extras.x, extras.y)
        ra, dec = sky_positions(self.wcs, u, v)
        flags = source_flags(self.before_fit, self._fwhm, extras, self.settings.poor_chi2)
        return joined(listed, extra_table(extras, ra, dec, flags, self.frame, tied.zero_point))

    def _measured(
        self,
        sources: SourceTable,
        fit: FitResult,
        estimate: PsfEstimate,
        tied: ZeroPointMap,
    ) -> Measured:
        return Measured(
            sources=sources,
            wcs=self.wcs,
            fwhm=self._fwhm,
            psf=estimate.psf,
            psf_method=estimate.method,
            background=float(np.median(fit.background)) / self.frame.exposure_time,
            zero_point=tied.zero_point,
            zero_point_err=tied.error,
            depth=depth_of(sources, tied.zero_point),
            saturated=int(np.count_nonzero(sources.flags & Flag.SATURATED)),
            cosmic_ray_pixels=int(np.count_nonzero(self.frame.flags & Flag.COSMIC_RAY)),
            registration=self.registration,
            timings=self.watch.seconds,
        )
