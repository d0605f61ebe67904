"""Frame in, sources out: the order of the steps, and what becomes of their results."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.candidates import Candidates, DetectionStrategy
from csstream.imaging.finding.confusion import Confusion, crowding, freed, widened
from csstream.imaging.finding.saturated import (
    clear_of_saturated,
    saturated_pixels,
    saturated_stars,
)
from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.frames.background import Background, estimate_background
from csstream.imaging.frames.checks import check_pixels, with_hidden_noise
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import Frame
from csstream.imaging.matching import merge_close
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.measured import Measured, ReferenceStars, depth_of, place, tie
from csstream.imaging.preparation import Stopwatch, cleaned, first_psf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.estimate import PsfEstimate
from csstream.imaging.rounds import Fitted, fit_in_rounds, is_real
from csstream.imaging.source_flags import source_flags
from csstream.imaging.source_table import SourceTable, magnitudes

__all__ = [
    "Candidates",
    "DetectionStrategy",
    "MeasureSettings",
    "Measured",
    "ReferenceStars",
    "SourceTable",
    "measure_frame",
]

Float = npt.NDArray[np.float64]
DEFAULT_PRIOR = 0.1  # [pixel] for strategies that do not say
DEFAULT_SNR = 3.0
EDGE = 1.0  # [pixel] a find this close to the border may be the light of a star outside


def measure_frame(
    frame: Frame,
    strategy: DetectionStrategy,
    *,
    nominal_psf: PixelPsf | None = None,
    reference: ReferenceStars | None = None,
    settings: MeasureSettings | None = None,
) -> Measured:
    """Measure all stars of a frame.

    Parameters
    ----------
    nominal_psf : PixelPsf, optional
        Used where the frame has no PSF extension and too few bright stars to make one.
    reference : ReferenceStars, optional
        Gives a frame without a celestial WCS its place, and every frame its zero point. Without
        it, a frame without WCS gets a nominal one at its pointing.

    Raises
    ------
    FrameError
        ``no_pixels``, ``saturated`` or ``bad_unit`` (see
        :func:`csstream.imaging.frames.checks.check_pixels`),
        ``no_psf`` (none given, none can be made),
        ``not_registered`` or ``missing_keyword`` (no WCS, and no way to one).
    """
    steps = _Steps(frame, strategy, settings or MeasureSettings())
    measured = steps.run(nominal_psf)
    with steps.watch.timed("astrometry"):
        measured = place(measured, frame, reference)
    if reference is not None:
        with steps.watch.timed("zero_point"):
            measured = tie(measured, reference)
    return replace(measured, timings=steps.watch.seconds)


class _Steps:
    """The steps on one frame, timed."""

    def __init__(
        self, frame: Frame, strategy: DetectionStrategy, settings: MeasureSettings
    ) -> None:
        check_pixels(frame)
        self.frame, self.strategy, self.settings = frame, strategy, settings
        self.watch = Stopwatch()
        given = settings.min_snr
        self.min_snr = getattr(strategy, "min_snr", DEFAULT_SNR) if given is None else given

    def run(self, nominal_psf: PixelPsf | None) -> Measured:
        frame, s = self.frame, self.settings
        with self.watch.timed("background"):
            background = estimate_background(frame.image, frame.mask, s.background_mesh)
            frame = self.frame = with_hidden_noise(frame, background.level)
        with self.watch.timed("psf"):
            estimate = first_psf(frame, nominal_psf)
        with self.watch.timed("cosmic_rays"):
            clean, hits = cleaned(frame, background, estimate, cosmic_rays=s.cosmic_rays)
        with self.watch.timed("detect"):
            found = self._candidates(clean, background, estimate.psf.central)
        with self.watch.timed("fit"):
            fitted = self._fit(clean, background, estimate, found)
        with self.watch.timed("table"):
            sources = self._table(clean, fitted)
        return self._measured(sources, fitted, hits)

    def _candidates(self, frame: Frame, background: Background, psf: PixelPsf) -> Candidates:
        raw = self.strategy.detect(frame, background, psf)
        columns = (raw.x, raw.y, raw.flux, raw.probability)
        found = Candidates(*(np.asarray(column, np.float64) for column in columns))
        found = found.select(found.probability >= self.settings.min_probability)
        flat = saturated_pixels(frame)
        found = found.select(clear_of_saturated(found, flat))
        found = saturated_stars(frame, flat, background.level, psf).joined(found)
        return found.select(merge_close(found.x, found.y, found.flux, self.settings.merge_radius))

    def _fit(
        self, frame: Frame, background: Background, estimate: PsfEstimate, found: Candidates
    ) -> Fitted:
        return fit_in_rounds(
            frame,
            background.level,
            estimate,
            found,
            position_sigma=float(getattr(self.strategy, "position_sigma", DEFAULT_PRIOR)),
            min_snr=self.min_snr,
            settings=self.settings,
        )

    def _table(self, frame: Frame, fitted: Fitted) -> SourceTable:
        fit, psf = fitted.fit, fitted.estimate
        kept = is_real(fit, psf.error, frame.shape, self.min_snr, self.settings)
        kept &= merge_close(fit.x, fit.y, fit.flux, self.settings.merge_radius)
        kept &= ~_from_outside(fit, frame.shape, self.settings.poor_chi2)
        nu = crowding(int(np.count_nonzero(kept)), frame.shape, psf.psf.fwhm)
        lack: Confusion = getattr(self.strategy, "confusion", Confusion())
        rate = 1.0 / frame.exposure_time
        flux = rate * freed(fit.flux, fit.flux_err, lack, nu)
        flux_err = rate * widened(fit.flux_err, lack.flux_variance, nu, fit.chi2)
        mag, mag_err = magnitudes(flux, flux_err, frame.zero_point)
        unknown = np.full(fit.x.size, np.nan)
        table = SourceTable(
            ra=unknown,
            dec=unknown,
            x=fit.x,
            y=fit.y,
            x_err=widened(fit.x_err, lack.position_variance, nu, fit.chi2),
            y_err=widened(fit.y_err, lack.position_variance, nu, fit.chi2),
            flux=flux,
            flux_err=flux_err,
            mag=mag,
            mag_err=mag_err,
            probability=fitted.probability,
            flags=source_flags(frame, psf.psf.fwhm, fit, self.settings.poor_chi2),
        )
        order = np.flatnonzero(kept)
        return table.select(order[np.argsort(-flux[order], kind="stable")])

    def _measured(self, sources: SourceTable, fitted: Fitted, hits: int) -> Measured:
        frame, estimate = self.frame, fitted.estimate
        return Measured(
            sources=sources,
            wcs=frame.wcs,
            fwhm=estimate.psf.fwhm,
            psf=estimate.psf,
            psf_method=estimate.method,
            background=float(np.median(fitted.fit.background)) / frame.exposure_time,
            zero_point=frame.zero_point,
            zero_point_err=math.nan,
            depth=depth_of(sources, frame.zero_point),
            saturated=int(np.count_nonzero(sources.flags & Flag.SATURATED)),
            cosmic_ray_pixels=hits,
        )


def _from_outside(
    fit: FitResult, shape: tuple[int, int], poor_chi2: float
) -> npt.NDArray[np.bool_]:
    """Tell which finds are light of a star beyond the edge: on the border, and badly fitted."""
    ny, nx = shape
    border = (fit.x < EDGE) | (fit.y < EDGE) | (fit.x > nx - 1 - EDGE) | (fit.y > ny - 1 - EDGE)
    return border & (fit.chi2 > poor_chi2)
