"""Scenes to train and to test on: every one with its own stars, PSF, sky and detector.

Density, width of the PSF and sky are drawn per scene within ranges, so that one network serves a
whole survey; a range of no width pins a quantity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import (
    FRAME_MARGIN,
    LOG_SLOPE,
    StarCatalogue,
    draw_catalogue,
    electrons_from_magnitudes,
)
from csstream.simulation.depth import limiting_magnitude, typical_density
from csstream.simulation.detector import (
    ALL_EFFECTS,
    PLAIN,
    Defects,
    DetectorEffects,
    draw_defects,
    expose,
)
from csstream.simulation.frames import render_expectation, uneven_background
from csstream.simulation.optics import Aberrations
from csstream.simulation.telescope import (
    Optics,
    Telescope,
    TelescopePsf,
    draw_telescope,
    nominal_width,
)

Image = npt.NDArray[np.float32]
Float = npt.NDArray[np.float64]
Range = tuple[float, float]

DENSITY_FACTORS = (0.3, 1.1)  # of the instrument's typical density
SKY_FACTORS = (0.4, 1.12)  # of its nominal sky: 0.33 to 0.91 electron/s/pixel for csst-i
MAGNITUDES = 10.0  # [mag] from the brightest star to the faintest
JITTER = 0.01  # RMS of width and of each component of the shape from exposure to exposure


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """What a scene is drawn from; a range is (lowest, highest), drawn evenly."""

    instrument: Instrument
    shape: tuple[int, int] = (512, 512)  # (ny, nx) [pixel]
    density: Range  # [star/pixel] within the range of magnitudes
    width_arcsec: Range  # R80 of a diffraction PSF, FWHM of a Moffat profile
    sky: Range  # [electron/s/pixel]
    magnitudes: Range  # brightest and faintest star
    log_slope: float = LOG_SLOPE
    optics: Optics = "analytic"
    aberrations: Aberrations | None = None  # None: the defaults
    ellipticity: float = 0.0  # RMS of each component of a scene's analytic PSF
    jitter: float = JITTER  # from exposure to exposure
    effects: DetectorEffects = ALL_EFFECTS

    def __post_init__(self) -> None:
        for name in ("density", "width_arcsec", "sky", "magnitudes"):
            low, high = getattr(self, name)
            if not low <= high or (name != "magnitudes" and low < 0.0):
                raise ValueError(f"{name} must be a rising range, not {low} to {high}")
        if self.jitter < 0.0 or self.ellipticity < 0.0 or min(self.shape) < 1:
            raise ValueError("jitter and ellipticity must not be negative, nor a side below 1")


def varied_settings(instrument: Instrument) -> SceneSettings:
    """Return settings that spread over what an instrument's survey can meet, all effects on."""
    width, shape = nominal_width(instrument), instrument.psf
    low, high = shape.width_range
    sky, density = instrument.photometry.sky, typical_density(instrument)
    faint = round(limiting_magnitude(instrument), 1)
    return SceneSettings(
        instrument=instrument,
        density=(DENSITY_FACTORS[0] * density, DENSITY_FACTORS[1] * density),
        width_arcsec=(low * width, high * width),
        sky=(SKY_FACTORS[0] * sky, SKY_FACTORS[1] * sky),
        magnitudes=(faint - MAGNITUDES, faint),
        log_slope=instrument.field.log_slope,
        optics="galsim" if shape.model == "diffraction" else "analytic",
        ellipticity=shape.ellipticity,
    )


def pinned_settings(instrument: Instrument) -> SceneSettings:
    """Return the settings of the scene that all figures are for.

    The instrument's typical density (csst-i: the paper's, to i = 26), nominal sky and width, the
    analytic PSF without jitter, and of the detector only noise and saturation.
    """
    width, sky = nominal_width(instrument), instrument.photometry.sky
    density = typical_density(instrument)
    return replace(
        varied_settings(instrument),
        density=(density, density),
        width_arcsec=(width, width),
        sky=(sky, sky),
        optics="analytic",
        ellipticity=0.0,
        jitter=0.0,
        effects=PLAIN,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposure:
    """One exposure of a scene."""

    image: Image  # (ny, nx) [electron]
    psf: TelescopePsf  # the true one
    width: float  # of the PSF, over the scene's
    ellipticity: tuple[float, float]  # added to the scene's PSF


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A field, the telescope and the detector that look at it.

    Attributes
    ----------
    catalogue : StarCatalogue
        Every star that shines into the frame, also from beyond its edge.
    flux : ndarray, (n,) [electron] in one exposure
    background : ndarray, (ny, nx), float32 [electron]
        Sky and dark current.
    defects : Defects or None
    """

    settings: SceneSettings
    catalogue: StarCatalogue
    flux: Float
    telescope: Telescope
    background: Image
    defects: Defects | None
    density: float  # [star/pixel]
    width_arcsec: float
    sky: float  # [electron/s/pixel], mean over the frame

    def expose(self, rng: np.random.Generator) -> Exposure:
        """Take one exposure: width and shape of the PSF jitter, and everything has its noise."""
        settings = self.settings
        drawn = settings.jitter * rng.standard_normal(3)
        width, ellipticity = 1.0 + float(drawn[0]), (float(drawn[1]), float(drawn[2]))
        psf = self.telescope.at(width, ellipticity)
        expectation = render_expectation(
            self.catalogue, self.flux, psf, settings.shape, self.background
        )
        image = expose(
            rng,
            expectation,
            settings.instrument,
            effects=settings.effects,
            defects=self.defects,
        )
        return Exposure(image=image, psf=psf, width=width, ellipticity=ellipticity)


def draw_scene(settings: SceneSettings, seed: np.random.SeedSequence) -> Scene:
    """Draw one scene. Stars, optics and detector have streams of their own.

    Raises
    ------
    PsfError
        As :func:`csstream.simulation.telescope.draw_telescope`.
    """
    stars, optics, detector = (np.random.default_rng(each) for each in seed.spawn(3))
    instrument, shape = settings.instrument, settings.shape
    density, width, sky = (
        float(stars.uniform(*span))
        for span in (settings.density, settings.width_arcsec, settings.sky)
    )
    catalogue = draw_catalogue(
        stars,
        shape,
        density=density,
        mag_bright=settings.magnitudes[0],
        mag_faint=settings.magnitudes[1],
        log_slope=settings.log_slope,
        margin=FRAME_MARGIN,
    )
    return Scene(
        settings=settings,
        catalogue=catalogue,
        flux=electrons_from_magnitudes(catalogue.mag, instrument),
        telescope=draw_telescope(
            optics,
            instrument,
            shape,
            width_arcsec=width,
            optics=settings.optics,
            aberrations=settings.aberrations,
            ellipticity=settings.ellipticity,
        ),
        background=uneven_background(
            detector, shape, instrument, sky=sky, rms=settings.effects.gradient
        ),
        defects=_defects(detector, settings),
        density=density,
        width_arcsec=width,
        sky=sky,
    )


def _defects(rng: np.random.Generator, settings: SceneSettings) -> Defects | None:
    effects = settings.effects
    if not (effects.bad_columns or effects.dead_pixels or effects.hot_pixels):
        return None
    return draw_defects(rng, settings.shape, effects)
