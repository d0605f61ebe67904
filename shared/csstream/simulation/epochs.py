"""When a survey exposes, and what changes from exposure to exposure.

Times come at the instrument's cadence or in the windows of a low orbit. Around such an orbit the
field hides behind the Earth once per revolution, its limb's light lifts the sky at both ends of a
window, heating and cooling change the width of the PSF, and the passages through the radiation
belt's anomaly cost some revolutions of each day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """A low orbit around the Earth, seen from one field."""

    period: float = 92.4 / 1440.0  # [day]
    visible: float = 0.55  # share of each revolution in which the field can be seen
    lost: float = 0.15  # share of each day whose revolutions are not used
    glare: float = 0.5  # sky at the ends of a window over the nominal one, minus one
    glare_time: float = 5.0 / 1440.0  # [day] in which the glare falls by e
    breathing: float = 0.01  # semi-amplitude of the PSF's relative width over a revolution

    def __post_init__(self) -> None:
        if not (self.period > 0.0 and 0.0 < self.visible <= 1.0 and 0.0 <= self.lost < 1.0):
            raise ValueError(f"no such orbit: {self}")


LOW_ORBIT = Orbit()


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """How far exposures differ from one another."""

    dither: float = 3.0  # [pixel] largest shift along each axis
    psf_jitter: float = 0.003  # relative scatter of the PSF's width
    shape_jitter: float = 0.0  # RMS of each component of its ellipticity
    zero_point_jitter: float = 0.005  # [mag]


@dataclass(frozen=True, eq=False)
class Epochs:
    """Per-frame quantities of one detector; all arrays have shape (frames,)."""

    start: FloatArray  # [day] MJD TAI
    mid: FloatArray  # [day] MJD TAI
    dither: FloatArray  # (frames, 2) [pixel] x and y
    psf_scale: FloatArray  # relative width
    zero_point: FloatArray  # [mag] of this frame
    ellipticity: FloatArray  # (frames, 2) added to the PSF's shape
    sky: FloatArray  # over the nominal sky


def start_times(
    frames: int, first: float, interval: float, exposure_time: float, orbit: Orbit | None = None
) -> FloatArray:
    """Return the starts of ``frames`` exposures, MJD TAI [day].

    ``first`` [day] is the first start; ``interval`` and ``exposure_time`` [s]. With an orbit,
    exposures follow each other from the beginning of each window as long as they end in it.

    Raises
    ------
    ValueError
        A window is shorter than an exposure.
    """
    step = interval / SECONDS_PER_DAY
    if orbit is None:
        return first + np.arange(frames, dtype=np.float64) * step
    room = orbit.visible * orbit.period - exposure_time / SECONDS_PER_DAY
    if room < 0.0:
        raise ValueError("the orbit's windows are shorter than an exposure")
    within = np.arange(int(room / step) + 1) * step
    orbits = int(np.ceil(frames / within.size / (1.0 - orbit.lost))) + int(2.0 / orbit.period)
    begins = np.arange(orbits) * orbit.period
    used = np.mod(begins, 1.0) >= orbit.lost
    used[0] = True
    starts: FloatArray = first + (begins[used][:, None] + within[None, :]).ravel()[:frames]
    return starts


def draw_epochs(
    rng: np.random.Generator,
    start: FloatArray,
    exposure_time: float,
    zero_point: float,
    steadiness: Steadiness,
    orbit: Orbit | None = None,
) -> Epochs:
    """Draw what changes between exposures that start at ``start`` (frames,) MJD TAI [day].

    ``exposure_time`` [s]; ``zero_point`` [mag] nominal. The order of the draws is fixed: an orbit
    adds to them and changes none.
    """
    n, s = start.size, steadiness
    mid = start + 0.5 * exposure_time / SECONDS_PER_DAY
    dither = rng.uniform(-s.dither, s.dither, (n, 2))
    width = 1.0 + s.psf_jitter * rng.standard_normal(n)
    points = zero_point + s.zero_point_jitter * rng.standard_normal(n)
    shape = s.shape_jitter * rng.standard_normal((n, 2))
    sky = np.ones(n)
    if orbit is not None:
        since = np.mod(mid - start[0], orbit.period)
        phase = since / orbit.period + rng.uniform()
        width = width + orbit.breathing * np.sin(2.0 * np.pi * phase)
        end = np.minimum(since, orbit.visible * orbit.period - since)
        sky = 1.0 + orbit.glare * np.exp(-np.maximum(end, 0.0) / orbit.glare_time)
    return Epochs(start, mid, dither, width, points, shape, sky)
