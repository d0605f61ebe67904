"""Simulated frames: the expectation of every pixel, and its noise, kept apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import StarCatalogue, electrons_from_magnitudes
from csstream.simulation.detector import PLAIN, Defects, DetectorEffects, expose, sky_pattern
from csstream.simulation.telescope import TelescopePsf, central_psf

Image = npt.NDArray[np.float32]

STAMP_STEPS = (16, 24, 48, 80)  # [pixel] half-widths of rendered stamps
STAMP_CUT = 0.1  # [electron] a stamp ends where the star gives less than this to a pixel


def stamp_half_widths(flux: npt.ArrayLike, psf: TelescopePsf) -> npt.NDArray[np.int64]:
    """Return the half-width at which each star is rendered [pixel], (n,).

    The narrowest of 16, 24, 48 and 80 at whose edge the star gives less than 0.1 electron per
    pixel; 80, or all of the table, for the brightest. ``flux`` in electron.
    """
    steps = np.array(STAMP_STEPS)
    centre = central_psf(psf)
    angle = np.linspace(0.0, 2.0 * np.pi, 32, endpoint=False)
    reach = np.minimum(steps, psf.half_width)[:, None]
    # The mean over a circle, because the wings of a diffraction pattern oscillate.
    edge = centre.evaluate(reach * np.cos(angle), reach * np.sin(angle)).mean(axis=1)
    too_bright = np.asarray(flux, np.float64)[:, None] * edge[None, :-1] > STAMP_CUT
    wanted = steps[too_bright.sum(axis=1)]
    return np.minimum(wanted, psf.half_width).astype(np.int64)


def background_level(
    instrument: Instrument, *, sky: float | None = None, exposure_time: float | None = None
) -> float:
    """Return the electrons per pixel from the sky [electron/s/pixel] and the dark current."""
    time = instrument.cadence.exposure_time if exposure_time is None else exposure_time
    rate = instrument.photometry.sky if sky is None else sky
    return (rate + instrument.detector.dark_current) * time


def uneven_background(
    rng: np.random.Generator,
    shape: tuple[int, int],
    instrument: Instrument,
    *,
    sky: float | None = None,
    rms: float,
) -> Image:
    """Return sky and dark current of every pixel, (ny, nx), float32 [electron].

    The sky [electron/s/pixel], nominal unless given, changes over the frame by ``rms`` of itself.
    """
    dark = background_level(instrument, sky=0.0)
    light = background_level(instrument, sky=sky) - dark
    return np.asarray(dark + light * sky_pattern(rng, shape, rms), np.float32)


def render_expectation(
    catalogue: StarCatalogue,
    flux: npt.ArrayLike,
    psf: TelescopePsf,
    shape: tuple[int, int],
    background: float | Image,
) -> Image:
    """Return the noise-free frame, (ny, nx), float32 [electron], before saturation.

    ``flux`` (n,) and ``background`` (of every pixel, or (ny, nx)) in electron.
    """
    image = np.full(shape, background, np.float32)
    electrons = np.asarray(flux, np.float64)
    psf.render(image, catalogue.x, catalogue.y, electrons, stamp_half_widths(electrons, psf))
    return image


def add_noise(
    rng: np.random.Generator, expectation: Image, read_noise: float, saturation: float
) -> Image:
    """Return one exposure of an expectation: Poisson and read noise, clipped at saturation.

    All in electron; ``read_noise`` is the RMS per read.
    """
    counts = rng.poisson(np.maximum(expectation, 0.0)).astype(np.float32)
    counts += rng.standard_normal(expectation.shape, np.float32) * np.float32(read_noise)
    return np.minimum(counts, np.float32(saturation))


def render_frame(
    rng: np.random.Generator,
    catalogue: StarCatalogue,
    instrument: Instrument,
    psf: TelescopePsf,
    shape: tuple[int, int],
    *,
    relative_flux: npt.ArrayLike = 1.0,
    sky: float | None = None,
    exposure_time: float | None = None,
    background: float | Image | None = None,
    effects: DetectorEffects = PLAIN,
    defects: Defects | None = None,
) -> Image:
    """Render one exposure of a catalogue, (ny, nx), float32 [electron].

    Parameters
    ----------
    relative_flux : float or array, (n,)
        Each star's flux at this time over its mean; 1 for constant stars.
    sky : float [electron/s/pixel], optional
        Instead of the instrument's nominal sky.
    background : float or ndarray, (ny, nx) [electron], optional
        Sky and dark current, instead of an even level that follows from ``sky``.
    effects, defects
        As :func:`csstream.simulation.detector.expose`.
    """
    flux = electrons_from_magnitudes(catalogue.mag, instrument, exposure_time)
    if background is None:
        background = background_level(instrument, sky=sky, exposure_time=exposure_time)
    expectation = render_expectation(
        catalogue, flux * np.asarray(relative_flux), psf, shape, background
    )
    return expose(
        rng,
        expectation,
        instrument,
        effects=effects,
        defects=defects,
        exposure_time=exposure_time,
    )
