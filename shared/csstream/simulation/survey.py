"""A simulated telescope: a seeded star field with variables, exposed again and again.

The field is a plane of pixels around the instrument's pointing; every exposure sees it shifted by
a small dither, through a PSF and a zero point that breathe a little from frame to frame. One seed
gives the same files, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.instruments.instrument import Instrument
from csstream.simulation.detector import PLAIN, Defects, DetectorEffects, draw_defects
from csstream.simulation.epochs import (
    SECONDS_PER_DAY,
    Orbit,
    Steadiness,
    draw_epochs,
    start_times,
)
from csstream.simulation.field import Field, FieldSettings, draw_field
from csstream.simulation.frame_files import FrameFacts, FrameWriter, field_wcs
from csstream.simulation.frames import background_level, render_frame, uneven_background
from csstream.simulation.optics_field import stretched
from csstream.simulation.telescope import (
    Optics,
    Shape,
    Telescope,
    TelescopePsf,
    analytic_psf,
    draw_telescope,
    nominal_width,
)
from csstream.simulation.truth import write_frames_table, write_truth

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]
WIDTH_STEP = 0.02  # relative width between the nominal PSF and the two that are mixed


@dataclass(frozen=True, kw_only=True)
class SurveySettings:
    """What to expose, how often and how steadily."""

    instrument: Instrument
    field: FieldSettings
    frames: int = 150
    interval: float | None = None  # [s] between starts; None: the instrument's cadence
    start_mjd_tai: float = 61000.0  # [day] start of the first exposure
    dither: float = 3.0  # [pixel] largest shift along each axis
    psf_jitter: float = 0.003  # relative scatter of the PSF's width from frame to frame
    shape_jitter: float = 0.0  # RMS of each component of its ellipticity from frame to frame
    zero_point_jitter: float = 0.005  # [mag] scatter of the zero point from frame to frame
    detectors: int = 1
    seed: int = 1
    compress: bool = True  # RICE tiles, lossless
    optics: Optics = "analytic"  # "galsim": aberrations that vary over the field
    effects: DetectorEffects = PLAIN  # of the detector; its defects stay all the survey
    orbit: Orbit | None = None  # gaps, sky and breathing of a low orbit; None: steady cadence

    @property
    def steadiness(self) -> Steadiness:
        """Return how far exposures differ from one another."""
        return Steadiness(
            dither=self.dither,
            psf_jitter=self.psf_jitter,
            shape_jitter=self.shape_jitter,
            zero_point_jitter=self.zero_point_jitter,
        )


@dataclass(frozen=True, kw_only=True)
class SurveyResult:
    """What :func:`simulate_survey` wrote."""

    files: tuple[Path, ...]
    truth: Path
    frames: Path


def exposure_times(settings: SurveySettings) -> tuple[FloatArray, FloatArray]:
    """Return the starts and the middles of all exposures, MJD TAI [day], shape (frames,)."""
    cadence = settings.instrument.cadence
    interval = cadence.interval if settings.interval is None else settings.interval
    start = start_times(
        settings.frames, settings.start_mjd_tai, interval, cadence.exposure_time, settings.orbit
    )
    return start, start + 0.5 * cadence.exposure_time / SECONDS_PER_DAY


def simulate_survey(
    settings: SurveySettings, out_dir: Path, progress: Progress | None = None
) -> SurveyResult:
    """Draw the field, expose it ``settings.frames`` times and write FITS files and truth tables.

    Every file is written under a temporary name (leading dot) and renamed into place, so a
    watcher never sees half a frame. ``progress`` is called with (done, total) after each frame.

    Raises
    ------
    ValueError
        A setting is out of range.
    """
    check(settings)
    out_dir.mkdir(parents=True, exist_ok=True)
    root = np.random.SeedSequence(settings.seed)
    seeds = root.spawn(settings.detectors)
    surveys = [_Detector(settings, number, seed) for number, seed in enumerate(seeds, start=1)]
    truth = write_truth(
        out_dir / "truth.ecsv", [(s.number, s.field, s.wcs) for s in surveys], settings.dither
    )
    files: list[Path] = []
    rows: list[FrameFacts] = []
    total = settings.frames * settings.detectors
    for index in range(settings.frames):
        for survey in surveys:
            path, facts = survey.expose(index, out_dir)
            files.append(path)
            rows.append(facts)
            if progress is not None:
                progress(len(files), total)
    table = write_frames_table(out_dir / "frames.ecsv", rows)
    return SurveyResult(files=tuple(files), truth=truth, frames=table)


def check(settings: SurveySettings) -> None:
    """Raise ValueError, naming the setting, when one is out of range."""
    for name in ("frames", "detectors"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(settings, name)}")
    for name in ("dither", "psf_jitter", "shape_jitter", "zero_point_jitter"):
        if getattr(settings, name) < 0:
            raise ValueError(f"{name} must not be negative, not {getattr(settings, name)}")
    exposure_time = settings.instrument.cadence.exposure_time
    if settings.interval is not None and settings.interval < exposure_time:
        raise ValueError(
            f"interval must be at least the exposure time of {exposure_time} s, "
            f"not {settings.interval} s"
        )


class _Detector:
    """One detector's sky and its exposures."""

    def __init__(self, settings: SurveySettings, number: int, seed: np.random.SeedSequence) -> None:
        self.settings = settings
        self.number = number
        field_seed, epoch_seed, noise_seed, optics_seed, defect_seed = seed.spawn(5)
        start, mid = exposure_times(settings)
        self.noise_seeds = noise_seed.spawn(settings.frames)
        self.epochs = draw_epochs(
            np.random.default_rng(epoch_seed),
            start,
            settings.instrument.cadence.exposure_time,
            settings.instrument.photometry.zero_point,
            settings.steadiness,
            settings.orbit,
        )
        self.telescope = _telescope(settings, np.random.default_rng(optics_seed))
        self.psf = self.telescope.nominal
        self.defects, self.background = _detector(settings, np.random.default_rng(defect_seed))
        self.field: Field = draw_field(
            settings.field,
            settings.instrument,
            self.psf,
            (float(start[0]), float(mid[-1])),
            settings.dither,
            np.random.default_rng(field_seed),
        )
        self.curves = self.field.curves(mid)
        self.wcs = field_wcs(settings.instrument, settings.field.shape, number)
        self.writer = FrameWriter(
            instrument=settings.instrument,
            wcs=self.wcs,
            psf=self.psf,
            detectors=settings.detectors,
            compress=settings.compress,
        )

    def expose(self, index: int, out_dir: Path) -> tuple[Path, FrameFacts]:
        facts = self._facts(index)
        settings = self.settings
        e1, e2 = self.epochs.ellipticity[index].tolist()
        dark = background_level(settings.instrument, sky=0.0)
        change = 10.0 ** (0.4 * (facts.zero_point - settings.instrument.photometry.zero_point))
        image = render_frame(
            np.random.default_rng(self.noise_seeds[index]),
            self.field.dithered(facts.dither_x, facts.dither_y),
            settings.instrument,
            self.telescope.at(facts.psf_scale, (e1, e2)),
            settings.field.shape,
            relative_flux=self.field.relative_flux(self.curves[:, index]) * change,
            background=dark + (self.background - dark) * float(self.epochs.sky[index]),
            effects=settings.effects,
            defects=self.defects,
        )
        path = out_dir / facts.file
        known = None if self.defects is None else self.defects.known
        self.writer.write(path, image, facts, known)
        return path, facts

    def _facts(self, index: int) -> FrameFacts:
        name = f"{self.settings.instrument.name}-d{self.number}-{index + 1:05d}.fits"
        return FrameFacts(
            file=name + (".fz" if self.settings.compress else ""),
            visit=index + 1,
            detector=self.number,
            mjd_start_tai=float(self.epochs.start[index]),
            mjd_mid_tai=float(self.epochs.mid[index]),
            dither_x=float(self.epochs.dither[index, 0]),
            dither_y=float(self.epochs.dither[index, 1]),
            psf_scale=float(self.epochs.psf_scale[index]),
            zero_point=float(self.epochs.zero_point[index]),
            sky=float(self.epochs.sky[index]),
        )


class _BreathingTelescope:
    """The analytic PSF of nearly the nominal width, as a mixture of a narrow and a wide one.

    Over ±2 % the profile is linear in the width to 1e-4 of the peak, and mixing two tables is
    much cheaper than transforming a new one for every frame.
    """

    def __init__(self, instrument: Instrument) -> None:
        width = nominal_width(instrument)
        self.narrow = analytic_psf(instrument, width * (1.0 - WIDTH_STEP))
        self.wide = analytic_psf(instrument, width * (1.0 + WIDTH_STEP))

    @property
    def nominal(self) -> PixelPsf:
        return self._of_width(1.0)

    def at(self, width: float, ellipticity: Shape) -> TelescopePsf:
        psf = self._of_width(width)
        return psf if ellipticity == (0.0, 0.0) else stretched(psf, 1.0, ellipticity)

    def _of_width(self, scale: float) -> PixelPsf:
        share = 0.5 + 0.5 * (scale - 1.0) / WIDTH_STEP
        samples = (1.0 - share) * self.narrow.samples + share * self.wide.samples
        return PixelPsf(samples, self.narrow.oversampling)


def _telescope(settings: SurveySettings, rng: np.random.Generator) -> Telescope:
    instrument = settings.instrument
    if settings.optics == "analytic":
        return _BreathingTelescope(instrument)
    width = nominal_width(instrument)
    return draw_telescope(
        rng, instrument, settings.field.shape, width_arcsec=width, optics=settings.optics
    )


def _detector(
    settings: SurveySettings, rng: np.random.Generator
) -> tuple[Defects | None, npt.NDArray[np.float32] | float]:
    """Defects of a detector, or None, and its background [electron]: a number, or (ny, nx)."""
    effects, instrument, shape = settings.effects, settings.instrument, settings.field.shape
    if effects == PLAIN:
        return None, background_level(instrument)
    defects = draw_defects(rng, shape, effects)
    return defects, uneven_background(rng, shape, instrument, rms=effects.gradient)
