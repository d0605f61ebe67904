"""The ways to measure one crowded frame that ``detection_rivals.py`` compares.

Each is a function of a :class:`Scene` that returns a list of stars; importing what it needs is
not timed. All are given the same image, the true PSF, gain and read noise. The settings of the
rivals were tuned on skies of their own (seeds 900 to 999) for the best F1 at half a pixel.
"""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from csstream.imaging.finding.classical import extract
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.frames.background import Background, estimate_background
from csstream.imaging.frames.frame import Frame, blank_header, frame_from_array
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument

STAMP = 5  # [pixel] side of photutils' fits: more is slower and no better at this density
HALF_PSF = 12  # [pixel] of the PSF that photutils is given
ORACLE_PRIOR = 0.1  # [pixel]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What every rival is given. ``x, y, flux`` [pixel, electron] is the truth, for the oracle."""

    image: np.ndarray  # (ny, nx), float32 [electron]
    instrument: Instrument
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray

    @property
    def frame(self) -> Frame:
        """The image as the program's own frame, its PSF given."""
        detector, ny_nx = self.instrument.detector, self.image.shape
        header = blank_header(
            instrument=self.instrument.name,
            read_noise=detector.read_noise,
            saturation=detector.saturation,
            exposure_time=self.instrument.cadence.exposure_time,
            zero_point=self.instrument.photometry.zero_point,
            shape=(ny_nx[0], ny_nx[1]),
            pixel_scale_arcsec=detector.pixel_scale_arcsec,
        )
        place = (self.instrument.pointing.ra, self.instrument.pointing.dec)
        return frame_from_array(self.image, replace(header, pointing=place), psf=self.psf)

    @property
    def psf(self) -> PixelPsf:
        """The true PSF."""
        return psf_from_instrument(self.instrument)

    def cut(self, side: int) -> Scene:
        """A corner of the scene, to compile and load on."""
        return replace(self, image=np.ascontiguousarray(self.image[:side, :side]))


@dataclass
class Stars:
    """What a rival found: pixels and electrons, and the seconds of its steps (wall)."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    steps: dict[str, float] = field(default_factory=dict)


Clock = dict[str, float]
Measure = Callable[[Scene], Stars]


@contextmanager
def timed(clock: Clock, name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    clock[name] = clock.get(name, 0.0) + time.perf_counter() - start


def _strategy(method: str) -> Callable[[], Measure]:
    def make() -> Measure:
        from csstream.instruments.instrument import load_instrument

        strategy, _ = choose_strategy(load_instrument("csst-i"), method, threads=1)  # type: ignore[arg-type]

        def measure(scene: Scene) -> Stars:
            found = measure_frame(scene.frame, strategy)
            sources, time_ = found.sources, scene.instrument.cadence.exposure_time
            return Stars(sources.x, sources.y, sources.flux * time_, found.timings)

        return measure

    return make


def _oracle() -> Measure:
    """The joint fit alone, started at the truth: all stars that shine into the frame."""

    def measure(scene: Scene) -> Stars:
        clock: Clock = {}
        frame, psf = scene.frame, scene.psf
        with timed(clock, "background"):
            background = _sky(frame)
        ny, nx = frame.shape
        near = (scene.x > -10) & (scene.y > -10) & (scene.x < nx + 9) & (scene.y < ny + 9)
        start = (scene.x[near], scene.y[near], scene.flux[near])
        with timed(clock, "fit"):
            fit = joint_fit(
                frame.image, frame.mask, background.level, psf, *start,
                read_noise=frame.read_noise, settings=FitSettings(position_prior=ORACLE_PRIOR),
            )  # fmt: skip
        inside = (fit.x > -0.5) & (fit.y > -0.5) & (fit.x < nx - 0.5) & (fit.y < ny - 0.5)
        return Stars(fit.x[inside], fit.y[inside], fit.flux[inside], clock)

    return measure


def _sep() -> Measure:
    """SExtractor's core with the paper's settings, fluxes as it sums them: no PSF fit."""

    def measure(scene: Scene) -> Stars:
        clock: Clock = {}
        frame = scene.frame
        with timed(clock, "background"):
            background = _sky(frame)
        with timed(clock, "detect"):
            found = extract(frame.image - background.level, background.noise)
        columns = (np.asarray(found[name], np.float64) for name in ("x", "y", "flux"))
        return Stars(*columns, clock)

    return measure


def _photutils(iterative: bool) -> Callable[[], Measure]:
    def make() -> Measure:
        from photutils.detection import IRAFStarFinder
        from photutils.psf import ImagePSF, IterativePSFPhotometry, PSFPhotometry, SourceGrouper

        def measure(scene: Scene) -> Stars:
            clock: Clock = {}
            frame, psf = scene.frame, scene.psf
            with timed(clock, "background"):
                background = _sky(frame)
            noise = np.sqrt(background.median + frame.read_noise**2)
            error = np.sqrt(np.maximum(frame.image, background.level) + frame.read_noise**2)
            finder = IRAFStarFinder(
                threshold=(5.0 if iterative else 4.0) * noise,
                fwhm=psf.fwhm,
                min_separation=1.5,
                sharpness_range=(-10.0, 10.0),  # blends are no point sources by themselves
                roundness_range=(-10.0, 10.0),
            )
            model = _image_psf(psf, ImagePSF)
            options: dict[str, Any] = {"finder": finder, "aperture_radius": 2.0}
            if iterative:
                options |= {"grouper": SourceGrouper(4.0), "mode": "all", "xy_bounds": 1.0}
                photometry = IterativePSFPhotometry(model, (STAMP, STAMP), **options)
            else:
                options |= {"grouper": SourceGrouper(6.0)}
                photometry = PSFPhotometry(model, (STAMP, STAMP), **options)
            with timed(clock, "find and fit"):
                table = photometry(frame.image - background.level, error=error)
            return _positive(*(np.asarray(table[c]) for c in ("x_fit", "y_fit", "flux_fit")), clock)

        return measure

    return make


def _image_psf(psf: PixelPsf, kind: Any) -> Any:
    centre, half = psf.samples.shape[0] // 2, HALF_PSF * psf.oversampling
    part = slice(centre - half, centre + half + 1)
    return kind(psf.samples[part, part], oversampling=psf.oversampling)


def _crowdsource() -> Measure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from crowdsource import crowdsource_base

    def measure(scene: Scene) -> Stars:
        clock: Clock = {}
        frame = scene.frame
        with timed(clock, "background"):
            level = np.maximum(frame.image, _sky(frame).level)
        weight = (1.0 / np.sqrt(level + frame.read_noise**2)).astype(np.float32)
        weight[frame.mask] = 0.0
        with timed(clock, "find and fit"), contextlib.redirect_stdout(io.StringIO()):
            stars, *_ = crowdsource_base.fit_im(
                frame.image.copy(), GivenPsf(scene.psf), weight=weight, refit_psf=False,
                threshold=4, titer_thresh=1, blendthreshu=0.3, fewstars=10,
            )  # fmt: skip
        # its x is the first axis of the array
        return _positive(*(stars[name].astype(np.float64) for name in ("y", "x", "flux")), clock)

    return measure


class GivenPsf:
    """A tabulated PSF with the interface that crowdsource expects; its x is the first axis."""

    STEP = 0.02  # [pixel] of the derivatives

    def __init__(self, psf: PixelPsf) -> None:
        self.psf = psf

    def __call__(
        self, x: Any, y: Any, stampsz: int | None = None, deriv: bool = False
    ) -> np.ndarray | list[np.ndarray]:
        scalar = np.ndim(x) == 0
        x, y = np.atleast_1d(x), np.atleast_1d(y)
        half = (59 if stampsz is None else stampsz) // 2
        steps = np.arange(-half, half + 1, dtype=np.float64)
        u = steps[None, :, None] - (x - np.round(x))[:, None, None]
        v = steps[None, None, :] - (y - np.round(y))[:, None, None]
        u, v = np.broadcast_arrays(u, v)
        h = self.STEP
        planes = [self._at(u, v)]
        if deriv:
            planes.append((self._at(u - h, v) - self._at(u + h, v)) / (2 * h))
            planes.append((self._at(u, v - h) - self._at(u, v + h)) / (2 * h))
        planes = [plane[0] if scalar else plane for plane in planes]
        return planes if deriv else planes[0]

    def _at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.asarray(self.psf.evaluate(v, u), np.float32)


def _sky(frame: Frame) -> Background:
    return estimate_background(frame.image, frame.mask)


def _positive(x: np.ndarray, y: np.ndarray, flux: np.ndarray, clock: Clock) -> Stars:
    good = np.isfinite(x) & np.isfinite(y) & (flux > 0.0)
    return Stars(x[good], y[good], flux[good], clock)


PHOTUTILS = "photutils==3.0.0"
CROWDSOURCE = "--no-deps crowdsourcephoto==0.5.9"  # it names tensorflow, which this does not use
RIVALS: dict[str, tuple[str, Callable[[], Measure], str]] = {
    "pnet": ("PNet and joint fit", _strategy("pnet"), "csstream[cpu]"),
    "oracle": ("joint fit, true list", _oracle, ""),
    "classical": ("sep and joint fit", _strategy("classical"), ""),
    "sep": ("sep alone", _sep, ""),
    "photutils": ("photutils PSFPhotometry", _photutils(False), PHOTUTILS),
    "iterative": ("photutils Iterative…", _photutils(True), PHOTUTILS),
    "crowdsource": ("crowdsource", _crowdsource, CROWDSOURCE),
}
"""Name: title, a function that imports and returns the measuring function, what pip installs."""
