"""Relative flux against time: transits, eclipsing binaries, pulsators.

Times and periods in days of one scale. A relative flux of 1 is the level outside transits and
eclipses, and the mean of a pulsator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.simulation.eclipse import lost_light

Array = npt.NDArray[Any]

PHASES = 1000  # at which a pulsator's shape is averaged


def transit(
    time: Array,
    period: float,
    t0: float,
    *,
    radius_ratio: float,
    axis_ratio: float,
    impact: float = 0.0,
    u1: float = 0.3,
    u2: float = 0.3,
) -> Array:
    """Limb-darkened transit on a circular orbit.

    radius_ratio : planet over star; axis_ratio : orbit over star radius; impact : of mid-transit,
    in star radii. Returns the relative flux, shape of ``time``.
    """
    angle = 2.0 * np.pi * (np.asarray(time, float) - t0) / period
    distance = np.hypot(axis_ratio * np.sin(angle), impact * np.cos(angle))
    lost = np.zeros_like(angle)
    near = (np.cos(angle) > 0) & (distance < 1.0 + radius_ratio)
    lost[near] = lost_light(distance[near], radius_ratio, u1, u2)
    return 1.0 - lost


def eclipsing(
    time: Array,
    period: float,
    t0: float,
    *,
    radius_1: float,
    radius_2: float,
    brightness_ratio: float,
    inclination: float,
    ellipsoidal: float = 0.0,
) -> Array:
    """Eclipsing binary on a circular orbit, primary eclipse at ``t0``.

    radius_1, radius_2 : of the stars, in units of the orbit; brightness_ratio : surface brightness
    of star 2 over star 1 (below 1: the primary eclipse, of star 1, is the deeper one);
    inclination [rad]; ellipsoidal : semi-amplitude of the tidal variation, relative flux. The
    maximum is 1.
    """
    angle = 2.0 * np.pi * (np.asarray(time, float) - t0) / period
    separation = np.hypot(np.sin(angle), np.cos(inclination) * np.cos(angle))
    light_1, light_2 = radius_1**2, brightness_ratio * radius_2**2
    touching = separation < radius_1 + radius_2
    first, second = touching & (np.cos(angle) > 0), touching & (np.cos(angle) <= 0)
    flux = np.full_like(angle, light_1 + light_2)
    flux[first] -= light_1 * lost_light(separation[first] / radius_1, radius_2 / radius_1)
    flux[second] -= light_2 * lost_light(separation[second] / radius_2, radius_1 / radius_2)
    return flux / (light_1 + light_2) * (1.0 - ellipsoidal * (1.0 + np.cos(2.0 * angle)))


def pulsator(
    time: Array,
    period: float,
    t0: float,
    *,
    amplitude: float,
    rise: float = 0.5,
    bump: float = 0.0,
    bump_phase: float = 0.0,
) -> Array:
    """Pulsating star with maximum light at ``t0``, mean flux 1.

    amplitude : peak to peak [mag]; rise : share of the cycle from minimum to maximum (0.5: a
    sinusoid, 0.15: an RR Lyrae star of type ab); bump : second harmonic [mag] added at
    ``bump_phase`` [cycles], which moves the maximum a little.
    """
    phase = np.mod((np.asarray(time, float) - t0) / period, 1.0)
    cycle = np.arange(PHASES) / PHASES
    shape = (rise, bump, bump_phase)
    mean = np.mean(10.0 ** (-0.4 * _magnitude(cycle, amplitude, *shape)))
    return np.asarray(10.0 ** (-0.4 * _magnitude(phase, amplitude, *shape)) / mean)


def _magnitude(
    phase: Array, amplitude: float, rise: float, bump: float, bump_phase: float
) -> Array:
    """Magnitude relative to the middle: a cosine whose phase runs faster on the rise."""
    fall = 1.0 - rise
    slow = 0.5 * phase / fall
    fast = 0.5 + 0.5 * (phase - fall) / rise
    warped = np.where(phase < fall, slow, fast)
    second = bump * np.cos(4.0 * np.pi * (phase - bump_phase))
    return -0.5 * amplitude * np.cos(2.0 * np.pi * warped) + second
