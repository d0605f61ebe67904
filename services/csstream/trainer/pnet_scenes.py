"""An endless sky for training: simulated scenes, and stamps cut out of them with fresh noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.pnet import prepare
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import (
    LOG_SLOPE,
    PAPER_DENSITY,
    draw_catalogue,
    electrons_from_magnitudes,
)
from csstream.simulation.frames import add_noise, background_level, render_expectation
from csstream.trainer.pnet_targets import SHARP, TargetSettings, make_targets

Image = npt.NDArray[np.float32]
Float = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """What the training sky looks like; ranges are factors of the instrument's nominal values."""

    scene_size: int = 384  # [pixel]
    pool: int = 64  # scenes held at a time
    psf_bank: int = 32  # PSFs, their widths evenly spread
    psf_width: tuple[float, float] = (0.83, 1.14)
    psf_beta: tuple[float, float] = (1.0, 1.0)  # Moffat only
    psf_ellipticity: float = 0.02  # RMS of each component
    sky: tuple[float, float] = (0.4, 1.12)
    density: float = PAPER_DENSITY  # [star/pixel]
    density_factor: tuple[float, float] = (0.3, 1.1)
    log_slope: float = LOG_SLOPE
    magnitudes_bright: float = 10.0  # [mag] brightest star above the faintest
    listed_snr: float = 6.3  # isolated stars above it are to be found: i = 25.7 for csst-i
    faintest_snr: float = 4.77  # the faintest stars of the scene: i = 26 for csst-i


@dataclass(frozen=True, kw_only=True)
class StampSettings:
    """How stamps are cut and spoilt."""

    size: int = 160  # [pixel], even
    rim: int = 8  # [pixel] at the stamp's edge the network lacks context: nothing is asked there
    background_error: tuple[float, float] = (-0.3, 0.9)  # [noise] crowding lifts any estimate
    edge_share: float = 0.25  # of the stamps that hang over a frame's edge
    column_share: float = 0.1  # of the stamps with a dead column
    dead_pixels: float = 5e-4  # share of the pixels
    cosmic_rays: float = 1e-4  # share of the pixels, not masked
    cosmic_ray_charge: float = 100.0  # [noise] mean of an exponential
    masked_saturation_share: float = 0.5  # of the stamps whose saturated pixels are masked


@dataclass(frozen=True, eq=False)
class Scene:
    """One simulated field: its expectation [electron] and the stars in it, arrays (n,)."""

    expectation: Image
    background: float  # [electron/pixel]
    x: Float
    y: Float
    flux: Float  # [electron]
    listed: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stamps:
    """A batch: inputs (b, 3, n, n), targets (b, 6, n, n), valid (b, n, n); float32."""

    inputs: Image
    targets: Image
    valid: Image


def limiting_flux(instrument: Instrument, psf: PixelPsf, snr: float) -> float:
    """Return the flux [electron] at which an isolated star is found with ``snr``.

    Matched filter against the noise of empty pixels: σ_f² = V / Σ P².
    """
    variance = background_level(instrument) + instrument.detector.read_noise**2
    return snr * math.sqrt(variance * noise_area(psf))


def noise_area(psf: PixelPsf) -> float:
    """Return 1 / ΣP² [pixel]: whose noise a matched filter collects."""
    pixels = psf.samples[:: psf.oversampling, :: psf.oversampling]
    return float(1.0 / (pixels**2).sum())


def magnitude_of(flux: float, instrument: Instrument) -> float:
    """Return the magnitude of a star of ``flux`` [electron] per exposure."""
    rate = flux / instrument.cadence.exposure_time
    return instrument.photometry.zero_point - 2.5 * math.log10(rate)


def vary_psf(
    instrument: Instrument,
    width: float = 1.0,
    ellipticity: tuple[float, float] = (0.0, 0.0),
    beta: float = 1.0,
) -> PixelPsf:
    """Return the instrument's PSF with its width, and a Moffat's beta, times a factor."""
    shape = instrument.psf
    if shape.model == "diffraction":
        r80 = shape.r80_arcsec * width
        return psf_from_instrument(instrument, r80_arcsec=r80, ellipticity=ellipticity)
    other = replace(instrument, psf=replace(shape, beta=shape.beta * beta))
    fwhm = shape.fwhm_arcsec * width
    return psf_from_instrument(other, fwhm_arcsec=fwhm, ellipticity=ellipticity)


class Sky:
    """Draws scenes and stamps for one instrument; the state is the generator's and the pool's."""

    def __init__(
        self,
        instrument: Instrument,
        scenes: SceneSettings,
        stamps: StampSettings,
        rng: np.random.Generator,
        targets: TargetSettings = SHARP,
    ) -> None:
        self.instrument = instrument
        self.scenes = scenes
        self.stamps = stamps
        self.targets = targets
        self.rng = rng
        nominal = psf_from_instrument(instrument)
        self.listed_flux = limiting_flux(instrument, nominal, scenes.listed_snr)
        faintest = limiting_flux(instrument, nominal, scenes.faintest_snr)
        self.mag_faint = magnitude_of(faintest, instrument)
        self.bank = [self._draw_psf(k) for k in range(scenes.psf_bank)]
        self.pool = [self.draw_scene() for _ in range(scenes.pool)]

    def renew(self) -> None:
        """Replace one scene of the pool by a new one."""
        self.pool[int(self.rng.integers(len(self.pool)))] = self.draw_scene()

    def draw_scene(self) -> Scene:
        """Simulate one field: density, PSF and sky are drawn, then the stars."""
        settings, rng = self.scenes, self.rng
        shape = (settings.scene_size, settings.scene_size)
        catalogue = draw_catalogue(
            rng,
            shape,
            density=settings.density * rng.uniform(*settings.density_factor),
            mag_bright=self.mag_faint - settings.magnitudes_bright,
            mag_faint=self.mag_faint,
            log_slope=settings.log_slope,
        )
        psf = self.bank[int(rng.integers(len(self.bank)))]
        sky = self.instrument.photometry.sky * rng.uniform(*settings.sky)
        background = background_level(self.instrument, sky=sky)
        flux = electrons_from_magnitudes(catalogue.mag, self.instrument)
        expectation = render_expectation(catalogue, flux, psf, shape, background)
        listed = flux >= self.listed_flux
        return Scene(expectation, background, catalogue.x, catalogue.y, flux, listed)

    def draw_stamps(self, batch: int) -> Stamps:
        """Cut ``batch`` stamps at random places and orientations, each with new noise."""
        parts = [self.draw_stamp(rng) for rng in self.rng.spawn(batch)]
        inputs, targets, valid = (np.stack(part) for part in zip(*parts, strict=True))
        return Stamps(inputs, targets, valid)

    def _draw_psf(self, k: int) -> PixelPsf:
        low, high = self.scenes.psf_width
        factor = low + (high - low) * (k + 0.5) / self.scenes.psf_bank
        e1, e2 = self.rng.normal(0.0, self.scenes.psf_ellipticity, 2)
        beta = float(self.rng.uniform(*self.scenes.psf_beta))
        return vary_psf(self.instrument, factor, (float(e1), float(e2)), beta)

    def draw_stamp(self, rng: np.random.Generator) -> tuple[Image, Image, Image]:
        """Return inputs, targets and where they count, of one stamp; safe in many threads."""
        size = self.stamps.size
        scene = self.pool[int(rng.integers(len(self.pool)))]
        expectation, x, y, keep = cut_and_turn(rng, scene, size)
        detector = self.instrument.detector
        saturation = detector.saturation * detector.gain
        image = add_noise(rng, expectation, detector.read_noise, saturation)
        noise = math.sqrt(scene.background + detector.read_noise**2)
        hit = rng.random(image.shape) < self.stamps.cosmic_rays
        image[hit] += rng.exponential(self.stamps.cosmic_ray_charge * noise, int(hit.sum()))
        background = scene.background + noise * rng.uniform(*self.stamps.background_error)
        assumed = math.sqrt(background + detector.read_noise**2)
        mask, valid = self._spoil(rng, image, saturation)
        inputs = prepare(image, background, detector.read_noise, mask)
        ln_flux = np.log(scene.flux[keep] / assumed)
        targets = make_targets(x, y, ln_flux, scene.listed[keep], (size, size), self.targets)
        return inputs, targets, valid

    def _spoil(
        self, rng: np.random.Generator, image: Image, saturation: float
    ) -> tuple[npt.NDArray[np.bool_], Image]:
        """Return which pixels are unusable and where the network is asked at all."""
        settings, size = self.stamps, self.stamps.size
        mask = rng.random(image.shape) < settings.dead_pixels
        if rng.random() < settings.masked_saturation_share:
            mask |= image >= saturation
        if rng.random() < settings.column_share:
            mask[:, rng.integers(size)] = True
        valid = np.zeros(image.shape, np.float32)
        inner = slice(settings.rim, size - settings.rim)
        valid[inner, inner] = 1.0
        if rng.random() < settings.edge_share:
            width = int(rng.integers(settings.rim, size // 3))
            # Stamps are turned at random, so one side stands for all four.
            mask[:, :width] = True
            valid[:, :width] = 0.0
        return mask, valid


def cut_and_turn(
    rng: np.random.Generator, scene: Scene, size: int
) -> tuple[Image, Float, Float, npt.NDArray[np.int64]]:
    """Cut a square out of a scene and mirror or transpose it at random.

    Returns the expectation (size, size), the stars' x and y in it, and their indices.
    """
    ny, nx = scene.expectation.shape
    top, left = int(rng.integers(ny - size + 1)), int(rng.integers(nx - size + 1))
    image = scene.expectation[top : top + size, left : left + size]
    x, y = scene.x - left, scene.y - top
    keep = np.flatnonzero(
        (np.abs(x - size / 2) < size / 2 + 2) & (np.abs(y - size / 2) < size / 2 + 2)
    )
    x, y = x[keep], y[keep]
    if rng.random() < 0.5:
        image, x = image[:, ::-1], size - 1 - x
    if rng.random() < 0.5:
        image, y = image[::-1], size - 1 - y
    if rng.random() < 0.5:
        image, x, y = image.T, y, x
    return np.ascontiguousarray(image), x, y, keep
