"""Frame in, sources out: the order of the steps, and what becomes of their results."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.background import (
    DEFAULT_MESH,
    Background,
    estimate_background,
    noise_scale,
)
from csstream.imaging.candidates import Candidates, DetectionStrategy
from csstream.imaging.cosmic_rays import fill_masked, find_cosmic_rays
from csstream.imaging.errors import FrameError
from csstream.imaging.field_psf import FieldPsf
from csstream.imaging.flags import Flag
from csstream.imaging.frame import Frame
from csstream.imaging.frame_checks import check_pixels, with_hidden_noise
from csstream.imaging.joint_fit import FitResult, FitSettings, joint_fit
from csstream.imaging.matching import merge_close
from csstream.imaging.measured import Measured, ReferenceStars, place, tie
from csstream.imaging.psf import PixelPsf
from csstream.imaging.psf_estimate import PsfEstimate, adjust_psf, estimate_psf
from csstream.imaging.residual_search import search_residual
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
WELL_KNOWN = 0.012  # relative error of a PSF


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """What is kept, and how hard is looked."""

    min_snr: float | None = None  # None: the strategy's own
    min_probability: float = 0.05
    merge_radius: float = 0.4  # [pixel]
    second_look_snr: float = 5.0  # [sigma] in the residual; 0: no second look
    second_look_closest: float = 0.6  # [FWHM] from a known star, where the PSF is known well
    second_look_far: float = 1.0  # [FWHM] the same, where it is not
    wing_error: float = 0.03  # relative error of other stars' light under a faint star
    background_mesh: int = DEFAULT_MESH  # [pixel]
    iterations: int = 5
    final_iterations: int = 4
    poor_chi2: float = 5.0
    cosmic_rays: bool = True


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
        :func:`csstream.imaging.frame_checks.check_pixels`),
        ``no_psf`` (none given, none can be made),
        ``not_registered`` or ``missing_keyword`` (no WCS, and no way to one).
    """
    steps = _Steps(frame, strategy, settings or MeasureSettings())
    measured = steps.run(nominal_psf)
    with steps.timed("astrometry"):
        measured = place(measured, frame, reference)
    if reference is not None:
        with steps.timed("zero_point"):
            measured = tie(measured, reference)
    return replace(measured, timings=steps.timings)


class _Steps:
    """The steps on one frame, timed."""

    def __init__(
        self, frame: Frame, strategy: DetectionStrategy, settings: MeasureSettings
    ) -> None:
        check_pixels(frame)
        self.frame, self.strategy, self.settings = frame, strategy, settings
        self.timings: dict[str, float] = {}
        given = settings.min_snr
        self.min_snr = getattr(strategy, "min_snr", DEFAULT_SNR) if given is None else given

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start

    def run(self, nominal_psf: PixelPsf | None) -> Measured:
        frame, s = self.frame, self.settings
        with self.timed("background"):
            background = estimate_background(frame.image, frame.mask, s.background_mesh)
            frame = self.frame = with_hidden_noise(frame, background.level)
        with self.timed("psf"):
            estimate = self._psf(nominal_psf)
        with self.timed("cosmic_rays"):
            clean, hits = self._clean(frame, background, estimate)
        with self.timed("detect"):
            found = self._candidates(clean, background, estimate.psf.central)
        with self.timed("fit"):
            estimate, candidates, fit = self._fit(clean, background, estimate, found)
        with self.timed("table"):
            sources = self._table(clean, estimate, candidates, fit)
        return self._measured(sources, estimate, fit, int(hits))

    def _psf(self, nominal: PixelPsf | None) -> PsfEstimate:
        if self.frame.psf is not None:
            return PsfEstimate(self.frame.psf, "extension", 0, 0.01)
        estimate = estimate_psf(self.frame, nominal)
        if estimate is None:
            raise FrameError(
                "no_psf",
                "no PSF extension, too few bright stars to make one, and no nominal PSF given: "
                "write one into the instrument file's section [psf]",
            )
        return estimate

    def _clean(
        self, frame: Frame, background: Background, estimate: PsfEstimate
    ) -> tuple[Frame, int]:
        """Mask the cosmic rays and fill what a detector must not see."""
        image = frame.image
        blind = (frame.flags & Flag.MASKED) != 0
        hits = np.zeros(frame.shape, bool)
        if self.settings.cosmic_rays:
            hits, image = find_cosmic_rays(
                image,
                frame.mask,
                background.level,
                estimate.psf.central,
                frame.read_noise,
                background.rms,
                estimate.error,
            )
        flags = frame.flags | np.where(hits, np.int32(Flag.COSMIC_RAY), np.int32(0))
        filled = fill_masked(image, blind, background.level)
        return replace(frame, image=filled, mask=frame.mask | hits, flags=flags), int(hits.sum())

    def _candidates(self, frame: Frame, background: Background, psf: PixelPsf) -> Candidates:
        raw = self.strategy.detect(frame, background, psf)
        columns = (raw.x, raw.y, raw.flux, raw.probability)
        found = Candidates(*(np.asarray(column, np.float64) for column in columns))
        found = found.select(found.probability >= self.settings.min_probability)
        return found.select(merge_close(found.x, found.y, found.flux, self.settings.merge_radius))

    def _fit(
        self, frame: Frame, background: Background, estimate: PsfEstimate, found: Candidates
    ) -> tuple[PsfEstimate, Candidates, FitResult]:
        """Fit, adjust the PSF, look again, prune, fit again."""
        s = self.settings
        prior = float(getattr(self.strategy, "position_sigma", DEFAULT_PRIOR))
        options = FitSettings(
            iterations=s.iterations,
            position_prior=prior,
            psf_error=max(estimate.error, 0.005),
            background_mesh=s.background_mesh,
        )
        fit = self._joint_fit(frame, background.level, estimate.psf, found, found, options)
        scale = noise_scale(fit.residual * np.sqrt(fit.weight), frame.mask, s.background_mesh)
        kept = self._real(fit, estimate.error)
        start = Candidates(fit.x, fit.y, fit.flux, found.probability).select(kept)
        found = found.select(kept)
        if s.second_look_snr > 0.0:
            fresh = search_residual(
                fit.residual,
                fit.weight / scale**2,
                estimate.psf.central,
                (start.x, start.y),
                threshold=s.second_look_snr,
                closest=self._closest(estimate),
            )
            start, found = _joined(start, fresh), _joined(found, fresh)
        estimate = adjust_psf(estimate, fit, frame)
        options = replace(options, iterations=s.final_iterations)
        final = self._joint_fit(frame, fit.background, estimate.psf, start, found, options, scale)
        return estimate, found, final

    def _closest(self, estimate: PsfEstimate) -> float:
        s = self.settings
        known = estimate.error <= WELL_KNOWN
        return (s.second_look_closest if known else s.second_look_far) * estimate.psf.fwhm

    def _joint_fit(
        self,
        frame: Frame,
        level: npt.NDArray[np.float32],
        psf: FieldPsf,
        start: Candidates,
        prior: Candidates,
        options: FitSettings,
        scale: npt.NDArray[np.float32] | None = None,
    ) -> FitResult:
        # What was filled for the detector is masked: the fit does not see it.
        return joint_fit(
            frame.image, frame.mask, level, psf.central, start.x, start.y, start.flux,
            read_noise=frame.read_noise, settings=options, prior=(prior.x, prior.y),
            noise_scale=scale,
        )  # fmt: skip

    def _real(self, fit: FitResult, psf_error: float) -> npt.NDArray[np.bool_]:
        """Stars whose flux exceeds its error and the error of the light that they stand on."""
        s = self.settings
        ny, nx = self.frame.shape
        disturbance = max(s.wing_error, 2.0 * psf_error) * np.maximum(fit.contamination, 0.0)
        with np.errstate(invalid="ignore"):
            significant = fit.flux > self.min_snr * np.hypot(fit.flux_err, disturbance)
        inside = (fit.x > -0.5) & (fit.x < nx - 0.5) & (fit.y > -0.5) & (fit.y < ny - 0.5)
        return significant & inside & (fit.share > 0.05)

    def _table(
        self, frame: Frame, estimate: PsfEstimate, found: Candidates, fit: FitResult
    ) -> SourceTable:
        kept = self._real(fit, estimate.error)
        kept &= merge_close(fit.x, fit.y, fit.flux, self.settings.merge_radius)
        rate = 1.0 / frame.exposure_time
        flux, flux_err = fit.flux * rate, fit.flux_err * rate
        mag, mag_err = magnitudes(flux, flux_err, frame.zero_point)
        unknown = np.full(len(found), np.nan)
        table = SourceTable(
            ra=unknown,
            dec=unknown,
            x=fit.x,
            y=fit.y,
            x_err=fit.x_err,
            y_err=fit.y_err,
            flux=flux,
            flux_err=flux_err,
            mag=mag,
            mag_err=mag_err,
            probability=found.probability,
            flags=source_flags(frame, estimate.psf.fwhm, fit, self.settings.poor_chi2),
        )
        order = np.flatnonzero(kept)
        return table.select(order[np.argsort(-flux[order], kind="stable")])

    def _measured(
        self, sources: SourceTable, estimate: PsfEstimate, fit: FitResult, hits: int
    ) -> Measured:
        frame = self.frame
        return Measured(
            sources=sources,
            wcs=frame.wcs,
            fwhm=estimate.psf.fwhm,
            psf=estimate.psf,
            psf_method=estimate.method,
            background=float(np.median(fit.background)) / frame.exposure_time,
            zero_point=frame.zero_point,
            zero_point_err=math.nan,
            depth=_depth(sources, frame.zero_point),
            saturated=int(np.count_nonzero(sources.flags & Flag.SATURATED)),
            cosmic_ray_pixels=hits,
        )


def _joined(first: Candidates, second: Candidates) -> Candidates:
    return Candidates(
        np.concatenate([first.x, second.x]),
        np.concatenate([first.y, second.y]),
        np.concatenate([first.flux, second.flux]),
        np.concatenate([first.probability, second.probability]),
    )


def _depth(sources: SourceTable, zero_point: float) -> float:
    """Five-sigma magnitude from the errors of the fainter half."""
    if len(sources) < 4:
        return math.nan
    faint = sources.flux <= np.median(sources.flux)
    noise = float(np.nanmedian(sources.flux_err[faint]))
    return zero_point - 2.5 * math.log10(5.0 * noise) if noise > 0.0 else math.nan
