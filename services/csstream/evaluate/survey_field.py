"""One field of a survey: its stars and what is true of them, and its frames in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS

from csstream.evaluate.survey_plan import SurveyPlan
from csstream.evaluation.curve_store import StarTruth
from csstream.imaging.frames.frame import Frame, FrameHeader, blank_header, frame_from_array
from csstream.imaging.psf.extension import field_psf_from_extension, psf_extension
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument, load_instrument
from csstream.simulation.camera import FieldCamera, dither_list
from csstream.simulation.catalogue import FRAME_MARGIN, StarCatalogue, draw_catalogue
from csstream.simulation.depth import typical_density
from csstream.simulation.detector import PLAIN
from csstream.simulation.epochs import Epochs, draw_epochs, start_times
from csstream.simulation.field import Field
from csstream.simulation.flat_field import list_sigma, with_flat_variables
from csstream.simulation.frame_files import PSF_REACH, field_wcs
from csstream.simulation.variables.events import complete_events
from csstream.simulation.variables.flat import FlatSettings, amplitude
from csstream.simulation.variables.paper import PAPER_SHARES, draw_kinds, draw_paper_variables
from csstream.simulation.variables.shapes import Variables

Float = npt.NDArray[np.float64]

START = 61000.0  # [day] MJD TAI
BRIGHTEST = 18.0  # [mag] brighter stars saturate and are rare
FAINTEST = 26.0
FIELD_STEP = 0.05  # [deg] of declination between the fields of a run
PLAIN_AREA = 512 * 512  # [pixel] that a plan's number of variables is for


class SurveyField:
    """Field ``index`` of a plan; everything follows from the plan's seed and the index."""

    def __init__(self, plan: SurveyPlan, index: int) -> None:
        self.plan, self.index = plan, index
        self.instrument: Instrument = load_instrument(plan.instrument)
        self.nominal: PixelPsf = psf_from_instrument(self.instrument)
        stars, times, vary = (
            np.random.default_rng(seed)
            for seed in np.random.SeedSequence([plan.seed, index]).spawn(3)
        )
        self.epochs = _epochs(plan, self.instrument, times)
        catalogue = _stars(plan, self.instrument, stars)
        self.sigma = list_sigma(catalogue, self.nominal, plan.shape, self.instrument)
        self.field = _with_variables(plan, catalogue, self.sigma, self.epochs.mid, vary)
        if len(self.field.variables):  # the variables have moved to the end
            places = self.field.catalogue
            self.sigma = list_sigma(places, self.nominal, plan.shape, self.instrument)
        effects = replace(PLAIN, cosmic_rays=plan.cosmic_rays)
        self.camera = FieldCamera(self.field, self.epochs, self.instrument, effects)
        self.wcs = _wcs(self.instrument, plan, index)
        samples, cards = psf_extension(FieldPsf.constant(self.nominal), PSF_REACH)
        self.told = field_psf_from_extension(cards, samples, plan.shape, "simulated frame")

    def frame(self, number: int) -> Frame:
        """Return exposure ``number`` as it would be read from a file of a simulated survey.

        Its PSF extension holds the nominal PSF, not the true one.
        """
        rng = np.random.default_rng([self.plan.seed, self.index, 1, number])
        image = self.camera.expose(number, rng)
        wcs = self.wcs.deepcopy()
        wcs.wcs.crpix = self.wcs.wcs.crpix + self.epochs.dither[number]
        wcs.wcs.set()
        return frame_from_array(image, self._header(number), wcs=wcs, psf=self.told)

    def truth(self) -> StarTruth:
        """Return what is true of every star."""
        field, stars = self.field, self.field.catalogue
        amplitudes = np.array([amplitude(shape) for shape in field.variables.shapes])
        events = [complete_events(shape, self.epochs.mid) for shape in field.variables.shapes]
        varying = _at_end(len(stars), amplitudes, np.nan)
        return StarTruth(
            x=stars.x,
            y=stars.y,
            mag=stars.mag,
            kind=field.kinds(),
            period=field.column("period"),
            t0=field.column("t0"),
            duration=field.column("duration"),
            amplitude=varying,
            events=_at_end(len(stars), np.array(events, float), 0.0).astype(np.int64),
            sigma=self.sigma,
            snr=varying / self.sigma,
        )

    def _header(self, number: int) -> FrameHeader:
        detector, instrument = self.instrument.detector, self.instrument
        header = blank_header(
            instrument=instrument.name,
            detector=1,
            band=instrument.band,
            exposure_time=instrument.cadence.exposure_time,
            mjd_mid_tai=float(self.epochs.mid[number]),
            shape=self.plan.shape,
            read_noise=detector.read_noise,
            saturation=detector.saturation * detector.gain,
            zero_point=instrument.photometry.zero_point,
            pixel_scale_arcsec=detector.pixel_scale_arcsec,
        )
        ra, dec = self.wcs.wcs.crval.tolist()
        return replace(header, has_wcs=True, pointing=(ra, dec))


def _at_end(total: int, values: Float, missing: float) -> Float:
    column = np.full(total, missing)
    column[total - values.size :] = values
    return column


def _epochs(plan: SurveyPlan, instrument: Instrument, rng: np.random.Generator) -> Epochs:
    cadence = instrument.cadence
    start = start_times(plan.frames, START, cadence.interval, cadence.exposure_time, plan.low_orbit)
    epochs = draw_epochs(
        rng,
        start,
        cadence.exposure_time,
        instrument.photometry.zero_point,
        plan.steadiness,
        plan.low_orbit,
    )
    return replace(epochs, dither=dither_list(rng, plan.frames, plan.dithers, plan.dither))


def _stars(plan: SurveyPlan, instrument: Instrument, rng: np.random.Generator) -> StarCatalogue:
    density = typical_density(instrument) if plan.density is None else plan.density
    return draw_catalogue(
        rng,
        plan.shape,
        density=density,
        mag_bright=BRIGHTEST,
        mag_faint=FAINTEST,
        log_slope=instrument.field.log_slope,
        margin=FRAME_MARGIN + plan.dither,
    )


def _with_variables(
    plan: SurveyPlan, stars: StarCatalogue, sigma: Float, time: Float, rng: np.random.Generator
) -> Field:
    if plan.mix == "flat":
        share = plan.size**2 / PLAIN_AREA
        counts = [round(share * number) for number in plan.variables]
        wanted = FlatSettings(transit=counts[0], eclipsing=counts[1], pulsating=counts[2])
        return with_flat_variables(stars, sigma, wanted, plan.shape, time, rng)
    if plan.mix == "quiet" or stars.types is None:
        return Field(stars, Variables(()), plan.shape)
    kinds = draw_kinds(rng, len(stars), PAPER_SHARES)
    constant, varying = np.flatnonzero(kinds == "none"), np.flatnonzero(kinds != "none")
    span = (float(time[0]), float(time[-1]))
    drawn = draw_paper_variables(rng, kinds[varying], stars.types[varying], span)
    return Field(stars.take(np.concatenate([constant, varying])), drawn, plan.shape)


def _wcs(instrument: Instrument, plan: SurveyPlan, index: int) -> Any:
    """Return the undithered WCS: fields follow each other in declination, runs in ascension."""
    wcs: WCS = field_wcs(instrument, plan.shape, 1)
    ra, dec = instrument.pointing.ra, instrument.pointing.dec
    wcs.wcs.crval = [ra + 0.001 * (plan.seed % 1000), dec + FIELD_STEP * index]
    wcs.wcs.set()
    return wcs
