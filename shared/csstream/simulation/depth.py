"""How faint and how crowded the fields of an instrument are, where nothing else is said."""

from __future__ import annotations

import math

from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import PAPER_DENSITY
from csstream.simulation.frames import background_level

FAINTEST_SNR = 4.77  # of the faintest isolated stars of a scene: i = 26 for csst-i
PAPER_AREA = 12.15  # [pixel] noise-equivalent area of csst-i, to which the paper's density belongs


def limiting_magnitude(instrument: Instrument, snr: float = FAINTEST_SNR) -> float:
    """Return the magnitude of an isolated star of ``snr`` in one exposure.

    Matched filter against the noise of empty pixels: σ_f² = V / ΣP².
    """
    area = noise_area(psf_from_instrument(instrument))
    variance = background_level(instrument) + instrument.detector.read_noise**2
    rate = snr * math.sqrt(variance * area) / instrument.cadence.exposure_time
    return instrument.photometry.zero_point - 2.5 * math.log10(rate)


def typical_density(instrument: Instrument) -> float:
    """Return the instrument file's density [star/pixel], or the paper's per area of the PSF."""
    if instrument.field.density > 0.0:
        return instrument.field.density
    return PAPER_DENSITY * PAPER_AREA / noise_area(psf_from_instrument(instrument))


def noise_area(psf: PixelPsf) -> float:
    """Return 1 / ΣP²: the pixels whose noise a matched filter collects."""
    pixels = psf.samples[:: psf.oversampling, :: psf.oversampling]
    return float(1.0 / (pixels**2).sum())
