"""RR Lyrae stars and Cepheids: shapes that follow from the period.

Below 0.42 d a star pulsates in the first overtone (RRc: small, nearly sinusoidal), below 1 d in
the fundamental mode (RRab: the shorter, the larger and the steeper the rise), above it is a
classical Cepheid, whose bump wanders from the falling branch towards the maximum as the period
nears 10 d (the Hertzsprung progression). Amplitudes are those of the I band (Soszyński et al. 2008,
AcA 58, 163; 2011, AcA 61, 1).
"""

from __future__ import annotations

import numpy as np

from csstream.simulation.variables.shapes import Pulsator

OVERTONE_BELOW = 0.42  # [day]
CEPHEID_ABOVE = 1.0  # [day]
BUMP_FROM = 4.0  # [day] shorter Cepheids show no bump


def pulsator_of_period(rng: np.random.Generator, period: float, start: float) -> Pulsator:
    """Draw a pulsating star of one period [day] with its first maximum after ``start``."""
    if period < OVERTONE_BELOW:
        return _pulsator(rng, period, start, rng.uniform(0.15, 0.35), rng.uniform(0.38, 0.5))
    if period < CEPHEID_ABOVE:
        return rr_lyrae_ab(rng, period, start)
    return cepheid(rng, period, start)


def rr_lyrae_ab(rng: np.random.Generator, period: float, start: float) -> Pulsator:
    """Draw a fundamental-mode RR Lyrae star: 0.85 mag at 0.45 d, falling to 0.25 mag at 0.85 d."""
    amplitude = np.clip(0.85 - 1.5 * (period - 0.45) + rng.normal(0.0, 0.08), 0.2, 1.0)
    rise = np.clip(0.13 + 0.15 * (period - 0.45) + rng.normal(0.0, 0.015), 0.1, 0.3)
    return _pulsator(rng, period, start, float(amplitude), float(rise))


def cepheid(rng: np.random.Generator, period: float, start: float) -> Pulsator:
    """Draw a classical Cepheid, 0.28 to 0.62 mag; its bump grows and wanders with the period.

    Amplitude and rise are those of 400 OGLE-III Cepheids of the LMC: the rise takes 0.21 of the
    cycle at 2 d and 0.28 at 7 d.
    """
    amplitude = rng.uniform(0.28, 0.62)
    rise = float(np.clip(0.2 + 0.012 * (period - 1.0) + rng.normal(0.0, 0.025), 0.16, 0.42))
    progress = float(np.clip((period - BUMP_FROM) / (10.0 - BUMP_FROM), 0.0, 1.0))
    return Pulsator(
        period=period,
        t0=start + period * rng.uniform(),
        amplitude=amplitude,
        rise=rise,
        bump=amplitude * 0.1 * progress,
        bump_phase=0.45 * (1.0 - progress) + rng.uniform(0.0, 0.05),
    )


def _pulsator(
    rng: np.random.Generator, period: float, start: float, amplitude: float, rise: float
) -> Pulsator:
    return Pulsator(
        period=period,
        t0=start + period * rng.uniform(),
        amplitude=amplitude,
        rise=rise,
        bump=amplitude * rng.uniform(0.0, 0.05),
        bump_phase=rng.uniform(),
    )
