"""Simulated frames on which a network is calibrated and tested, and its finds in them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.pnet import Decoded, empty_pixel_noise
from csstream.imaging.finding.pnet_strategy import PnetStrategy
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import StarCatalogue, draw_catalogue
from csstream.simulation.frames import render_frame
from csstream.trainer.pnet_scenes import SceneSettings, limiting_flux, magnitude_of, vary_psf

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SCORED_SNR = 12.0  # isolated stars above it are scored: i = 25.0 for csst-i


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """One simulated frame; factors of the instrument's nominal values."""

    name: str
    size: int = 1000  # [pixel]
    sky: float = 1.0
    width: float = 1.0
    beta: float = 1.0  # Moffat only
    ellipticity: tuple[float, float] = (0.0, 0.0)
    density: float = 1.0
    trained: bool = True  # within what is trained on: used for calibration too


def conditions_for(instrument: Instrument) -> tuple[Conditions, ...]:
    """Return test conditions: nominal first, the ends of what is trained on, and beyond."""
    sharp, wide = instrument.psf.width_range
    stretched = 3.0 * instrument.psf.ellipticity
    return (
        Conditions(name="nominal"),
        Conditions(name="dark sky", size=600, sky=0.41),
        Conditions(name="sharp", size=600, width=sharp),
        Conditions(name="wide", size=600, width=wide),
        Conditions(name="sparse", size=600, density=0.3),
        Conditions(name="10 % wider than nominal", size=600, width=1.1),
        Conditions(name="10 % wider than trained", size=600, width=1.1 * wide, trained=False),
        Conditions(name="long", size=600, ellipticity=(stretched, 0.5 * stretched), trained=False),
    )


@dataclass(frozen=True, eq=False)
class Examined:
    """The finds in one simulated frame beside the truth."""

    found: Decoded
    magnitude: Float  # (n,) of the finds
    truth: StarCatalogue
    inside: Mask  # which true stars lie in the frame
    scored_mag: float  # truth brighter than it is scored

    def select(self, keep: Mask) -> Examined:
        """Return only some finds."""
        found = Decoded(*(getattr(self.found, column.name)[keep] for column in fields(Decoded)))
        return replace(self, found=found, magnitude=self.magnitude[keep])


@dataclass(frozen=True, eq=False)
class SimulatedFrame:
    """A frame of some conditions, with its truth."""

    image: npt.NDArray[np.float32]  # (ny, nx) [electron]
    psf: PixelPsf
    truth: StarCatalogue


def simulate_frame(
    instrument: Instrument,
    conditions: Conditions,
    scenes: SceneSettings,
    rng: np.random.Generator,
) -> SimulatedFrame:
    """Draw a field under some conditions and expose it."""
    shape = (conditions.size, conditions.size)
    truth = _draw_truth(instrument, conditions, scenes, shape, rng)
    psf = vary_psf(instrument, conditions.width, conditions.ellipticity, conditions.beta)
    sky = instrument.photometry.sky * conditions.sky
    image = render_frame(rng, truth, instrument, psf, shape, sky=sky)
    return SimulatedFrame(image, psf, truth)


def examine(
    strategy: PnetStrategy,
    instrument: Instrument,
    conditions: Conditions,
    scenes: SceneSettings,
    rng: np.random.Generator,
) -> Examined:
    """Simulate a frame, estimate its background as in service, and find its stars."""
    nominal = psf_from_instrument(instrument)
    simulated = simulate_frame(instrument, conditions, scenes, rng)
    image, truth = simulated.image, simulated.truth
    detector = instrument.detector
    mask = image >= detector.saturation * detector.gain
    level = estimate_background(image, mask).level
    found = strategy.decode_in(image, level, detector.read_noise, mask)
    limit = magnitude_of(limiting_flux(instrument, nominal, SCORED_SNR), instrument)
    magnitude = _magnitudes(found, level, instrument)
    return Examined(found, magnitude, truth, truth.inside(image.shape), limit)


def _draw_truth(
    instrument: Instrument,
    conditions: Conditions,
    scenes: SceneSettings,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> StarCatalogue:
    nominal = psf_from_instrument(instrument)
    faint = magnitude_of(limiting_flux(instrument, nominal, scenes.faintest_snr), instrument)
    return draw_catalogue(
        rng,
        shape,
        density=scenes.density * conditions.density,
        mag_bright=faint - scenes.magnitudes_bright,
        mag_faint=faint,
        log_slope=scenes.log_slope,
    )


def _magnitudes(found: Decoded, level: npt.NDArray[np.floating], instrument: Instrument) -> Float:
    ny, nx = level.shape
    row = np.clip(np.rint(found.y).astype(np.int64), 0, ny - 1)
    column = np.clip(np.rint(found.x).astype(np.int64), 0, nx - 1)
    noise = empty_pixel_noise(level[row, column], instrument.detector.read_noise)
    flux = np.exp(found.ln_flux.astype(np.float64)) * noise
    rate = flux / instrument.cadence.exposure_time
    return np.asarray(instrument.photometry.zero_point - 2.5 * np.log10(rate))
