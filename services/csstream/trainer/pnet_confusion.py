"""How much a network's lists lack: the pulls of measured stars on skies of known crowding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from csstream.evaluation.confusion import Pulls
from csstream.evaluation.scores import partners
from csstream.imaging.finding.confusion import crowding
from csstream.imaging.finding.pnet_strategy import PnetStrategy
from csstream.imaging.frames.frame import Frame, blank_header, frame_from_array
from csstream.imaging.measure import measure_frame
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import electrons_from_magnitudes
from csstream.trainer.pnet_scenes import SceneSettings
from csstream.trainer.pnet_skies import Conditions, SimulatedFrame, simulate_frame

LEAST_SNR = 8.0  # fainter stars are listed only where their noise is kind to them


def crowdings_for(instrument: Instrument) -> tuple[Conditions, ...]:
    """Return skies from sparse to as crowded as trained, and PSFs from sharp to wide."""
    sharp, wide = instrument.psf.width_range
    dense = (
        Conditions(name=f"density {density}", size=600, density=density)
        for density in (1.0, 0.7, 0.4, 0.2)
    )
    return (
        *dense,
        Conditions(name="sharp", size=600, width=sharp),
        Conditions(name="wide", size=600, width=wide),
    )


def pulls_on(
    strategy: PnetStrategy,
    instrument: Instrument,
    conditions: Conditions,
    scenes: SceneSettings,
    rng: np.random.Generator,
    radius: float,
) -> Pulls:
    """Measure a simulated frame, PSF given, and return the pulls of the stars found.

    ``radius`` [pixel]: a find with a simulated star that near is that star. The strategy must
    not know its confusion yet, or what is left of it is returned.
    """
    simulated = simulate_frame(instrument, conditions, scenes, rng)
    measured = measure_frame(_frame(simulated, instrument), strategy)
    sources, truth = measured.sources, simulated.truth
    other = partners(sources.x, sources.y, truth.x, truth.y, radius)
    electrons = electrons_from_magnitudes(truth.mag, instrument)[other]
    rate = electrons / instrument.cadence.exposure_time
    # By the true flux: of measured ones, more have been scattered up than down.
    sure = (other >= 0) & (rate > LEAST_SNR * sources.flux_err)
    star = other[sure]
    return Pulls(
        crowding=crowding(len(sources), simulated.image.shape, measured.fwhm),
        flux=(sources.flux[sure] - rate[sure]) / sources.flux_err[sure],
        snr=rate[sure] / sources.flux_err[sure],
        position=(sources.x[sure] - truth.x[star]) / sources.x_err[sure],
    )


def _frame(simulated: SimulatedFrame, instrument: Instrument) -> Frame:
    detector = instrument.detector
    header = blank_header(
        instrument=instrument.name,
        read_noise=detector.read_noise,
        saturation=detector.saturation * detector.gain,
        exposure_time=instrument.cadence.exposure_time,
        zero_point=instrument.photometry.zero_point,
        shape=simulated.image.shape,
        pixel_scale_arcsec=detector.pixel_scale_arcsec,
    )
    pointing = (instrument.pointing.ra, instrument.pointing.dec)
    return frame_from_array(simulated.image, replace(header, pointing=pointing), psf=simulated.psf)
