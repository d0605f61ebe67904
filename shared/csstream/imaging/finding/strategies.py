"""Which strategy looks for the stars: by name, by what an instrument has weights for."""

from __future__ import annotations

from typing import Literal

from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.instruments.instrument import Instrument

Method = Literal["auto", "pnet", "classical"]


class NoWeightsError(ValueError):
    """PNet was asked for, and no weights ship for this instrument."""


def choose_strategy(
    instrument: Instrument,
    method: Method = "auto",
    *,
    provider: Literal["cpu", "cuda"] = "cpu",
    threads: int = 1,
) -> tuple[DetectionStrategy, str]:
    """Return a strategy, and a message for people where it is not the one expected.

    ``auto`` takes PNet where the instrument names weights, else the classical strategy.

    Raises
    ------
    NoWeightsError
        ``pnet`` was asked for by name, and the instrument names no weights.
    csstream.inference.cards.InferenceError
        The weights cannot be loaded, or the processor asked for is not there.
    """
    if method == "classical":
        return ClassicalStrategy(), ""
    if instrument.weights:
        return _pnet(instrument.weights, provider, threads), ""
    if method == "pnet":
        raise NoWeightsError(
            f"instrument {instrument.name} has no PNet weights; use --method classical, or train "
            "a network and name its weights in the instrument file"
        )
    return ClassicalStrategy(), (
        f"no PNet weights for instrument {instrument.name}: the classical strategy is used"
    )


def _pnet(weights: str, provider: Literal["cpu", "cuda"], threads: int) -> DetectionStrategy:
    from csstream.imaging.finding.pnet_strategy import PnetSettings, PnetStrategy
    from csstream.inference.session import open_session

    # One thread a tile, and as many tiles at a time: the bytes do not depend on the threads.
    batch = 4 if provider == "cuda" else 1  # a GPU wants more at once
    settings = PnetSettings(threads=threads, batch=batch)
    return PnetStrategy(open_session(weights, provider=provider), settings)
