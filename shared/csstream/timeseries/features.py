"""Scalars that go to the classifier beside the views."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries.look import Look
from csstream.timeseries.periods import Curve

Array = npt.NDArray[Any]

SCALARS: Final = (
    "log_period",
    "log_cycles",
    "log_epochs",
    "log_depth",
    "log_peak_to_peak",
    "log_sigma1",
    "width_over_period",
    "ingress",
    "log_snr_bls",
    "log_snr_pink",
    "log_snr_amplitude",
    "log_fap_counts",
    "log_events",
    "phase_coverage",
    "log_rest_snr",
    "middle_depth",
    "halves",
    "log_red_factor",
    "odd_even",
    "secondary",
    "secondary_snr",
    "box_share",
    "wave_share",
    "log_chi2",
    "is_box",
    "harmonics",
    "ratio_21",
    "ratio_31",
    "cos_phase_21",
    "sin_phase_21",
    "skewness",
    "kurtosis",
    "low_outliers",
    "spectral_type",
    "spectral_type_known",
)


def scalars_of(
    look: Look, curve: Curve, sigma1: float, spectral_type: float = float("nan")
) -> Array:
    """Scalars of one star in the order of :data:`SCALARS`, float32, finite and bounded.

    spectral_type : 0 (O), 1 (B) … 6 (M), with the subtype as tenths; NaN where it is not known.
    No false-alarm probability is among them: a new calibration of it needs no new network.
    """
    first = max(look.wave.amplitude(1), 1e-9)
    phase = look.wave.phase(2) - 2.0 * look.wave.phase(1)
    depth = max(look.trapezoid.depth, 1e-6)
    values = (
        np.log10(look.period),
        np.log10(max(look.cycles, 1e-3)),
        np.log10(len(curve.time)),
        np.log10(depth),
        np.log10(max(look.peak_to_peak, 1e-6)),
        np.log10(max(sigma1, 1e-6)),
        look.width / look.period,
        look.trapezoid.ingress,
        _log(look.snr_bls),
        _log(look.snr_pink),
        _log(look.snr_amplitude),
        0.1 * np.log10(max(look.fap_counts, 1e-100)),
        np.log10(max(look.events, 1)),
        look.phase_coverage,
        _log(look.rest_snr),
        look.middle_depth,
        look.halves,
        np.log10(look.red_factor),
        np.tanh(look.odd_even / 10.0),
        look.secondary,
        np.tanh(look.secondary_snr / 10.0),
        look.box_share,
        look.wave_share,
        np.log10(max(look.chi2, 1e-3)),
        float(look.is_box),
        look.wave.harmonics / 8.0,
        min(look.wave.amplitude(2) / first, 3.0),
        min(look.wave.amplitude(3) / first, 3.0),
        np.cos(phase),
        np.sin(phase),
        *_moments(curve),
        *_spectral(spectral_type),
    )
    return np.clip(np.nan_to_num(np.array(values, float)), -10.0, 10.0).astype(np.float32)


def _log(value: float) -> float:
    return float(np.log10(max(value, 1e-2)))


def _spectral(code: float) -> tuple[float, float]:
    """Spectral type between -1 (O) and 1 (M), and 1; twice 0 where it is not known."""
    return (code / 3.0 - 1.0, 1.0) if np.isfinite(code) else (0.0, 0.0)


def _moments(curve: Curve) -> tuple[float, float, float]:
    """Skewness, excess kurtosis (both squeezed) and share of points 4 robust sigmas low."""
    centred = curve.flux - np.median(curve.flux)
    sigma = max(1.4826 * float(np.median(np.abs(centred))), 1e-9)
    spread = max(float(np.std(centred)), 1e-9)
    skewness = float(np.mean((centred / spread) ** 3))
    kurtosis = float(np.mean((centred / spread) ** 4)) - 3.0
    low = float(np.mean(centred < -4.0 * sigma))
    return float(np.tanh(skewness / 3.0)), float(np.tanh(kurtosis / 10.0)), low
