"""Which strategy finds the stars of which instrument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from csstream.contracts.errors import FatalError
from csstream.imaging.candidates import DetectionStrategy
from csstream.imaging.classical import ClassicalStrategy
from csstream.imaging.pnet_strategy import PnetStrategy
from csstream.imaging.psf import PixelPsf, psf_from_instrument
from csstream.inference.session import InferenceError, Provider, open_session
from csstream.instruments.instrument import Instrument, InstrumentError, load_instrument
from csstream.runtime.logging import get_logger


@dataclass(frozen=True, eq=False)
class Station:
    """One instrument with all that is needed to measure its frames."""

    instrument: Instrument
    strategy: DetectionStrategy
    psf: PixelPsf  # nominal
    match_radius_arcsec: float


def make_stations(
    names: Sequence[str],
    *,
    method: str,
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
        strategy = choose_strategy(instrument, method, provider, threads)
        stations[instrument.name] = Station(instrument, strategy, psf, radius)
    return stations


def choose_strategy(
    instrument: Instrument, method: str, provider: Provider, threads: int
) -> DetectionStrategy:
    """Return PNet where it is wanted and there, else the classical strategy; say so in the log.

    Raises
    ------
    FatalError
        ``method`` is ``pnet`` and the instrument has no weights, or CUDA is not there.
    """
    log = get_logger("detection")
    if method == "classical":
        log.info("strategy", instrument=instrument.name, method="classical", why="asked for")
        return ClassicalStrategy()
    try:
        if not instrument.weights:
            raise InferenceError(f"instrument {instrument.name} names no PNet weights")
        strategy = PnetStrategy(open_session(instrument.weights, provider, threads))
    except InferenceError as error:
        if method == "pnet" or provider == "cuda":
            raise FatalError(str(error)) from error
        log.warning(
            "strategy",
            instrument=instrument.name,
            method="classical",
            why=f"{error}; train weights with csstream train pnet, or ask for --method classical",
        )
        return ClassicalStrategy()
    log.info("strategy", instrument=instrument.name, method="pnet", model=strategy.model)
    return strategy
