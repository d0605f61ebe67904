"""What a detector adds to a scene: defects, cosmic rays, bleeding, and an uneven background.

Every effect is a function of arrays with its own generator; :func:`expose` runs them in the order
of the light. All charges in electron. ``ALL_EFFECTS`` has every effect; ``PLAIN`` none but
photon noise, read noise and clipping at saturation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.instruments.instrument import Instrument
from csstream.simulation.detector_kernels import add_tracks, spill

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

DIFFUSION = 0.3  # [pixel] Gaussian width of the charge cloud of a particle
CHARGE_SCATTER = 0.5  # of the logarithm of a track's charge per length
LONGEST_TRACK = 100.0  # [pixel]
HOT_SCATTER = 1.0  # of the logarithm of a hot pixel's dark current


@dataclass(frozen=True, kw_only=True)
class DetectorEffects:
    """Which effects a detector has, and how strong; zero or False switches one off."""

    bleeding: bool = True
    cosmic_rays: float = 1.2e-6  # [1/s/pixel] particles
    track_depth: float = 1.5  # [pixel] thickness of the sensitive layer: it sets the lengths
    track_charge: float = 800.0  # [electron/pixel] median along a track
    bad_columns: float = 1.0  # per thousand columns, mean number
    dead_pixels: float = 1e-4  # share of the pixels
    hot_pixels: float = 1e-4  # share of the pixels
    hot_current: float = 5.0  # [electron/s] median of a hot pixel
    known_defects: float = 0.9  # share of dead and hot pixels and columns that the mask lists
    gradient: float = 0.05  # RMS of the sky's relative change over the frame


ALL_EFFECTS = DetectorEffects()
PLAIN = DetectorEffects(
    bleeding=False,
    cosmic_rays=0.0,
    bad_columns=0.0,
    dead_pixels=0.0,
    hot_pixels=0.0,
    gradient=0.0,
)


@dataclass(frozen=True, eq=False)
class Defects:
    """The bad pixels of one detector; they stay from exposure to exposure.

    ``dead`` and ``hot`` are flat indices, (n,) and (m,) int64; ``response`` (n,) is what a dead
    pixel keeps of the light, ``current`` (m,) [electron/s] what a hot one adds; ``known`` is
    (ny, nx) bool, true where the mask says so.
    """

    dead: Index
    response: npt.NDArray[np.float32]
    hot: Index
    current: npt.NDArray[np.float32]
    known: Mask


def draw_defects(
    rng: np.random.Generator, shape: tuple[int, int], effects: DetectorEffects
) -> Defects:
    """Draw dead pixels, hot pixels and bad columns of a detector of ``shape`` (ny, nx).

    A bad column is dead from a random row to its end, as behind a trap.
    """
    size = shape[0] * shape[1]
    known = np.zeros(shape, np.bool_)
    single = rng.integers(size, size=rng.poisson(effects.dead_pixels * size))
    hot = rng.integers(size, size=rng.poisson(effects.hot_pixels * size))
    columns = _bad_columns(rng, shape, effects.bad_columns)
    for group in (single[:, None], hot[:, None], columns):
        for defect in group:
            known.flat[defect] = rng.random() < effects.known_defects
    trapped = np.concatenate([*columns, np.empty(0, np.int64)])
    response = np.append(rng.uniform(0.0, 0.5, single.size), np.zeros(trapped.size))
    current = effects.hot_current * np.exp(HOT_SCATTER * rng.standard_normal(hot.size))
    return Defects(
        dead=np.append(single, trapped),
        response=response.astype(np.float32),
        hot=hot,
        current=current.astype(np.float32),
        known=known,
    )


def _bad_columns(
    rng: np.random.Generator, shape: tuple[int, int], per_thousand: float
) -> list[Index]:
    ny, nx = shape
    count = rng.poisson(per_thousand * nx / 1000.0)
    starts, columns = rng.integers(ny, size=count), rng.integers(nx, size=count)
    parts = zip(starts.tolist(), columns.tolist(), strict=True)
    return [np.arange(start, ny, dtype=np.int64) * nx + column for start, column in parts]


def sky_pattern(rng: np.random.Generator, shape: tuple[int, int], rms: float) -> Image:
    """Return the sky's brightness over its mean, (ny, nx): a plane and smooth waves, mean 1.

    ``rms`` is that of the change over the frame; half of its variance is the plane's.
    """
    v, u = (np.linspace(-1.0, 1.0, side) for side in shape)
    gx, gy = _unit(rng, 2)
    plane = np.sqrt(3.0) * (gx * u[None, :] + gy * v[:, None])
    a = _unit(rng, 3)
    cos_u, cos_v = np.cos(np.pi * u), np.cos(np.pi * v)
    waves = np.sqrt(2.0) * (a[0] * cos_u[None, :] + a[1] * cos_v[:, None])
    waves = waves + 2.0 * a[2] * np.outer(cos_v, cos_u)
    pattern = 1.0 + rms * np.sqrt(0.5) * (plane + waves)
    return np.asarray(np.maximum(pattern, 0.0), np.float32)


def _unit(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    vector = rng.standard_normal(n)
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def expose(
    rng: np.random.Generator,
    expectation: Image,
    instrument: Instrument,
    *,
    effects: DetectorEffects = PLAIN,
    defects: Defects | None = None,
    exposure_time: float | None = None,
) -> Image:
    """Return one exposure of an expectation, (ny, nx), float32 [electron].

    Parameters
    ----------
    expectation : ndarray, (ny, nx), float32 [electron]
        Stars, sky and dark current, without noise; it is not changed.
    effects : DetectorEffects
        Only its cosmic rays and its bleeding are of concern here.
    defects : Defects, optional
        From :func:`draw_defects`; of the detector, so the same in all its exposures.

    A pixel whose well is full reads exactly ``saturation``; none reads more.
    """
    time = instrument.cadence.exposure_time if exposure_time is None else exposure_time
    detector = instrument.detector
    saturation = np.float32(detector.saturation * detector.gain)
    light = expectation if defects is None else with_defects(expectation, defects, time)
    image = rng.poisson(np.maximum(light, 0.0)).astype(np.float32)
    if effects.cosmic_rays > 0.0:
        add_cosmic_rays(rng, image, effects, time)
    if effects.bleeding:
        bleed(image, float(saturation))
    full = image >= saturation
    image += rng.standard_normal(image.shape, np.float32) * np.float32(detector.read_noise)
    image[full] = saturation
    return np.minimum(image, saturation)


def with_defects(expectation: Image, defects: Defects, exposure_time: float) -> Image:
    """Return an expectation as a detector with ``defects`` collects it [electron]."""
    image = expectation.copy()
    image.flat[defects.dead] *= defects.response
    np.add.at(image.reshape(-1), defects.hot, defects.current * np.float32(exposure_time))
    return image


def bleed(image: Image, full_well: float) -> float:
    """Spill charge above ``full_well`` [electron] up and down the columns, in place.

    Returns the charge that left the detector at the columns' ends [electron]; nothing else is
    lost.
    """
    columns, rows = np.nonzero((image > full_well).T)
    return float(spill(image, rows, columns, full_well))


def add_cosmic_rays(
    rng: np.random.Generator, image: Image, effects: DetectorEffects, exposure_time: float
) -> int:
    """Add the tracks of particles to ``image`` in place; return their number.

    Particles come evenly from a hemisphere through a layer of ``track_depth``: the squared cosine
    of the angle to the normal is uniform. The charge goes with the path in the layer.
    """
    ny, nx = image.shape
    n = int(rng.poisson(effects.cosmic_rays * exposure_time * image.size))
    x, y = rng.uniform(-0.5, nx - 0.5, n), rng.uniform(-0.5, ny - 0.5, n)
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    squared = np.maximum(1.0 - rng.random(n), 1e-6)
    length = np.minimum(effects.track_depth * np.sqrt(1.0 / squared - 1.0), LONGEST_TRACK)
    path = np.hypot(length, effects.track_depth)
    charge = effects.track_charge * path * np.exp(CHARGE_SCATTER * rng.standard_normal(n))
    add_tracks(image, x, y, angle, length, charge, DIFFUSION)
    return n
