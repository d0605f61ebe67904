"""Which strategy finds the stars of which instrument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from csstream.contracts.errors import FatalError
from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.finding.strategies import Method, NoWeightsError, choose_strategy
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.inference.session import InferenceError, Provider
from csstream.instruments.instrument import Instrument, InstrumentError, load_instrument
from csstream.runtime.logging import get_logger


@dataclass(frozen=True, eq=False)
class Station:
    """One instrument with all that is needed to measure its frames."""

    instrument: Instrument
    strategy: DetectionStrategy
    psf: PixelPsf  # nominal
    match_radius_arcsec: float
    settings: MeasureSettings


def make_stations(
    names: Sequence[str],
    *,
    method: Method,
    provider: Provider,
    threads: int,
    match_radius_fwhm: float,
) -> dict[str, Station]:
    """Return the stations by the instrument's name.

    Raises
    ------
    FatalError
        An instrument file cannot be read; PNet or CUDA was asked for and is not there.
    """
    stations = {}
    for name in names:
        try:
            instrument = load_instrument(name)
        except InstrumentError as error:
            raise FatalError(str(error)) from error
        psf = psf_from_instrument(instrument)
        radius = match_radius_fwhm * psf.fwhm * instrument.detector.pixel_scale_arcsec
        strategy = _strategy(instrument, method, provider, threads)
        stations[instrument.name] = Station(
            instrument, strategy, psf, radius, MeasureSettings(threads=threads)
        )
    return stations


def _strategy(
    instrument: Instrument, method: Method, provider: Provider, threads: int
) -> DetectionStrategy:
    try:
        strategy, why = choose_strategy(instrument, method, provider=provider, threads=threads)
    except (NoWeightsError, InferenceError) as error:
        raise FatalError(str(error)) from error
    log = get_logger("detection")
    told = {"instrument": instrument.name, "method": strategy.name, "model": strategy.model}
    if why:
        log.warning("strategy", **told, why=why)
    else:
        log.info("strategy", **told)
    return strategy
