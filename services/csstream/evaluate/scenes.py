"""Simulated scenes with everything that is true of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.evaluation.crowding import neighbour_distance
from csstream.evaluation.lists import Float, Truth
from csstream.imaging.bound import cramer_rao_bound
from csstream.imaging.field_psf import FieldPsf
from csstream.imaging.frame import Frame, FrameHeader, blank_header, frame_from_array
from csstream.imaging.psf import PixelPsf, psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import (
    PAPER_DENSITY,
    StarCatalogue,
    draw_catalogue,
    electrons_from_magnitudes,
)
from csstream.simulation.frames import add_noise, background_level, render_expectation


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a scene is drawn from."""

    instrument: Instrument
    r80_arcsec: float | None = None  # None: the instrument's own PSF
    sky: float | None = None  # [electron/s/pixel]
    density: float = PAPER_DENSITY  # [star/pixel] to ``mag_faint``
    mag_faint: float = 26.0
    size: int = 1000  # [pixel] a side
    psf_jitter: float = 0.01  # scatter of width and ellipticity from scene to scene

    @property
    def label(self) -> str:
        """Return the conditions in a few characters, fit for a file's name."""
        shape, light = self.instrument.psf, self.instrument.photometry
        width = shape.r80_arcsec if shape.model == "diffraction" else shape.fwhm_arcsec
        width = width if self.r80_arcsec is None else self.r80_arcsec
        sky = light.sky if self.sky is None else self.sky
        return f"{self.instrument.name}_psf{width:g}_sky{sky:g}_density{self.density:g}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One frame and its truth.

    Attributes
    ----------
    frame : Frame
        Without a PSF; ``psf`` is the true one and ``nominal`` what the instrument file says.
    truth : Truth
        Every simulated star, those beyond the frame's edge included, with its bound.
    flux : ndarray, (m,) [electron]
        Of the stars of ``truth``.
    level : float [electron]
        Sky and dark current per pixel.
    expectation : ndarray, (ny, nx), float32 [electron], or None
        The noise-free frame, where it is known.
    """

    name: str
    instrument: Instrument
    frame: Frame
    psf: FieldPsf
    nominal: PixelPsf
    truth: Truth
    flux: Float
    level: npt.NDArray[np.float32] | float
    expectation: npt.NDArray[np.float32] | None = None

    def with_noise(self, rng: np.random.Generator) -> Scene:
        """Return the same stars in another exposure; the bound's saturated pixels stay."""
        if self.expectation is None:
            raise ValueError(f"{self.name}: only simulated scenes can be exposed again")
        detector = self.instrument.detector
        full = detector.saturation * detector.gain
        image = add_noise(rng, self.expectation, detector.read_noise, full)
        return replace(self, frame=frame_from_array(image, self.frame.header))


def simulate_scene(conditions: Conditions, seed: int, index: int = 0) -> Scene:
    """Draw scene ``index`` of a seed: stars, PSF and noise."""
    rng = np.random.default_rng([seed, index])
    instrument, shape = conditions.instrument, (conditions.size, conditions.size)
    stars = draw_catalogue(rng, shape, density=conditions.density, mag_faint=conditions.mag_faint)
    psf = _draw_psf(rng, conditions)
    flux = electrons_from_magnitudes(stars.mag, instrument)
    level = background_level(instrument, sky=conditions.sky)
    expectation = render_expectation(stars, flux, psf, shape, level)
    detector = instrument.detector
    image = add_noise(rng, expectation, detector.read_noise, detector.saturation * detector.gain)
    frame = frame_from_array(image, scene_header(instrument, shape))
    field = FieldPsf.constant(psf)
    return Scene(
        name=f"{conditions.label}_{seed}_{index}",
        instrument=instrument,
        frame=frame,
        psf=field,
        nominal=psf_from_instrument(instrument),
        truth=truth_with_bound(stars, flux, frame, field, level),
        flux=flux,
        level=level,
        expectation=expectation,
    )


def truth_with_bound(
    stars: StarCatalogue,
    flux: Float,
    frame: Frame,
    psf: FieldPsf,
    level: npt.NDArray[np.float32] | float,
) -> Truth:
    """Return a catalogue (m,) with crowding and bound; ``flux`` (m,) and ``level`` in electron."""
    bound = cramer_rao_bound(
        psf,
        stars.x,
        stars.y,
        flux,
        shape=frame.shape,
        background=level,
        read_noise=frame.read_noise,
        mask=frame.mask,
    )
    return Truth(
        x=stars.x,
        y=stars.y,
        mag=stars.mag,
        inside=stars.inside(frame.shape),
        neighbour=neighbour_distance(stars.x, stars.y, stars.mag),
        sigma_mag=bound.mag_err,
        sigma_x=bound.x_err,
        sigma_y=bound.y_err,
        deblending_snr=bound.deblending_snr,
    )


def scene_header(instrument: Instrument, shape: tuple[int, int]) -> FrameHeader:
    """Return the header of a simulated frame, which has no WCS."""
    detector = instrument.detector
    header = blank_header(
        instrument=instrument.name,
        band=instrument.band,
        read_noise=detector.read_noise,
        saturation=detector.saturation * detector.gain,
        exposure_time=instrument.cadence.exposure_time,
        zero_point=instrument.photometry.zero_point,
        shape=shape,
        pixel_scale_arcsec=detector.pixel_scale_arcsec,
    )
    return replace(header, pointing=(instrument.pointing.ra, instrument.pointing.dec))


def _draw_psf(rng: np.random.Generator, conditions: Conditions) -> PixelPsf:
    """Return a PSF of about the width asked for; it differs from scene to scene."""
    instrument, shape = conditions.instrument, conditions.instrument.psf
    width, e1, e2 = conditions.psf_jitter * rng.standard_normal(3)
    stretch = (float(0.5 * e1), float(0.5 * e2))
    if shape.model == "diffraction":
        r80 = shape.r80_arcsec if conditions.r80_arcsec is None else conditions.r80_arcsec
        return psf_from_instrument(instrument, r80_arcsec=r80 * (1.0 + width), ellipticity=stretch)
    if conditions.r80_arcsec is not None:
        raise ValueError(f"{instrument.name}: R80 is asked for, and its PSF is a Moffat profile")
    return psf_from_instrument(
        instrument, fwhm_arcsec=shape.fwhm_arcsec * (1.0 + width), ellipticity=stretch
    )
