"""A frame measured by a reference list: every listed star, whether it is seen or not.

The list is the same in all frames, so no flux jumps when a neighbour is missed. What all stars
share is fitted first: the sky, the PSF's width and shape, shift, rotation and distortion; then all
stars at once, held near their places. What the list lacks is looked for in the residual, and cannot
touch the listed stars' fluxes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.fit.joint_fit import FitResult, FitSettings, joint_fit
from csstream.imaging.frames.background import Background, estimate_background
from csstream.imaging.frames.checks import check_pixels, with_hidden_noise
from csstream.imaging.frames.flags import UNRELIABLE, Flag
from csstream.imaging.frames.frame import Frame
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.measured import Measured, depth_of
from csstream.imaging.preparation import Stopwatch, cleaned, first_psf
from csstream.imaging.psf.estimate import PsfEstimate, adjust_psf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.reference.alignment import fit_alignment
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.extras import find_extras
from csstream.imaging.reference.first_look import bright_stars, first_alignment
from csstream.imaging.reference.placing import frame_wcs, predicted
from csstream.imaging.reference.tables import extra_table, inside, joined, listed_table
from csstream.imaging.reference.zero_point_map import ZeroPointMap, zero_point_map
from csstream.imaging.sky import sky_positions
from csstream.imaging.source_flags import source_flags
from csstream.imaging.source_table import MAG_PER_RELATIVE_FLUX, SourceTable

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

FIRST_PRIOR = 0.1  # [pixel] while shift and distortion are not known
FIRST_ITERATIONS = 2
SHARP = 0.05  # [pixel] largest error of a position that says something about the alignment


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
        place is taken out of its flux, each star left out of its own. Where no pixel tells
        anything, flux and error are nan; negative fluxes stay.

    Raises
    ------
    FrameError
        ``no_pixels``, ``saturated``, ``bad_unit`` or ``no_psf`` as
        :func:`csstream.imaging.measure.measure_frame`, ``not_registered`` where the list's
        bright stars are not those of the frame.
    """
    return _Listed(frame, reference, settings or MeasureSettings()).run(nominal_psf)


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
            self.frame, hits = cleaned(self.frame, background, estimate, cosmic_rays=s.cosmic_rays)
        with timed("registration"):
            self._register(background, estimate)
        with timed("fit"):
            estimate, fit = self._fit(background, estimate)
            self._fwhm = estimate.psf.fwhm
        with timed("extras"):
            extras = find_extras(self.frame, fit, estimate, s)
        with timed("table"):
            tied = self._tie(fit)
            sources = self._sources(fit, tied, extras)
        return self._measured(sources, fit, estimate, tied, hits)

    def _register(self, background: Background, estimate: PsfEstimate) -> None:
        """Find where on the frame the list's stars are, to some hundredths of a pixel."""
        frame, stars = self.frame, self.reference.stars
        peaks = bright_stars(frame, background, estimate.psf.fwhm)
        self.wcs, self.registration = frame_wcs(frame, self.reference, peaks)
        x, y = predicted(self.wcs, stars)
        reach = estimate.psf.half_width
        ny, nx = frame.shape
        near = (x > -reach) & (x < nx + reach) & (y > -reach) & (y < ny + reach)
        self.rows = np.flatnonzero(near)
        self.stars: ReferenceStarTable = stars.select(self.rows)
        self.x, self.y = x[near], y[near]
        self.alignment = first_alignment(peaks, self.x, self.y, self.stars.flux, frame.shape)

    def _fit(self, background: Background, estimate: PsfEstimate) -> tuple[PsfEstimate, FitResult]:
        """Fit what is common, then all stars."""
        frame, s = self.frame, self.settings
        flux = self._expected()
        first = self._fit_options(estimate, FIRST_ITERATIONS, FIRST_PRIOR)
        places = self.alignment.apply(self.x, self.y)
        fit = self._joint(background.level, estimate, places, flux, first)
        self._align(fit, FIRST_PRIOR)
        estimate = adjust_psf(estimate, fit, frame)
        options = self._fit_options(estimate, s.listed_iterations, s.listed_prior)
        places = self.alignment.apply(self.x, self.y)
        return estimate, self._joint(fit.background, estimate, places, fit.flux, options)

    def _expected(self) -> Float:
        """Fluxes [electron] that the list's stars have at the frame's nominal zero point."""
        change = 10.0 ** (0.4 * (self.frame.zero_point - self.reference.zero_point))
        return self.stars.flux * (change * self.frame.exposure_time)

    def _fit_options(self, estimate: PsfEstimate, iterations: int, prior: float) -> FitSettings:
        s = self.settings
        return FitSettings(
            iterations=iterations,
            position_prior=prior,
            psf_error=max(estimate.error, s.least_psf_error),
            background_mesh=s.background_mesh,
            sky_first=True,
            settled=0.0,
            threads=s.threads,
        )

    def _joint(
        self,
        level: npt.NDArray[np.float32],
        estimate: PsfEstimate,
        places: tuple[Float, Float],
        flux: Float,
        options: FitSettings,
    ) -> FitResult:
        return joint_fit(
            self.frame.image, self.frame.mask, level, estimate.psf, *places, flux,
            read_noise=self.frame.read_noise, settings=options,
        )  # fmt: skip

    def _align(self, fit: FitResult, prior: float) -> None:
        """Fit shift and distortion to where the bright stars have gone."""
        error = np.maximum(fit.x_err, fit.y_err)
        with np.errstate(invalid="ignore"):
            sharp = (error < SHARP) & (fit.share > 0.9) & (fit.flux > 0.0)
        sharp &= fit.contamination < 0.5 * fit.flux
        predicted_at, seen = (self.x[sharp], self.y[sharp]), (fit.x[sharp], fit.y[sharp])
        # What the prior has held back is given back: errors hold it as a measurement.
        held = 1.0 / np.maximum(1.0 - (error[sharp] / prior) ** 2, 0.1)
        start = self.alignment.apply(*predicted_at)
        free = tuple(a + held * (b - a) for a, b in zip(start, seen, strict=True))
        sigma = np.hypot(error[sharp] * np.sqrt(held), self.stars.position_err[sharp])
        fresh = fit_alignment(predicted_at, (free[0], free[1]), sigma, self.frame.shape)
        if fresh.stars:
            self.alignment = fresh

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

    def _sources(self, fit: FitResult, tied: ZeroPointMap, extras: FitResult) -> SourceTable:
        frame = self.frame
        on_frame = np.flatnonzero(inside(fit.x, fit.y, frame.shape))
        listed = listed_table(self.stars, fit, tied, self.flags, frame).select(on_frame)
        u, v = self.alignment.undo(extras.x, extras.y)
        ra, dec = sky_positions(self.wcs, u, v)
        flags = source_flags(frame, self._fwhm, extras, self.settings.poor_chi2)
        return joined(listed, extra_table(extras, ra, dec, flags, frame, tied.zero_point))

    def _measured(
        self,
        sources: SourceTable,
        fit: FitResult,
        estimate: PsfEstimate,
        tied: ZeroPointMap,
        hits: int,
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
            cosmic_ray_pixels=hits,
            registration=self.registration,
            timings=self.watch.seconds,
        )
