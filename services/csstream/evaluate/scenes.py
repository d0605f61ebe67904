"""Simulated scenes with everything that is true of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluation.crowding import neighbour_distance
from csstream.evaluation.lists import Float, Truth
from csstream.imaging.fit.bound import cramer_rao_bound
from csstream.imaging.frames.frame import Frame, FrameHeader, blank_header, frame_from_array
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import StarCatalogue
from csstream.simulation.depth import limiting_magnitude
from csstream.simulation.detector import ALL_EFFECTS, PLAIN
from csstream.simulation.scenes import JITTER, SceneSettings, draw_scene, pinned_settings
from csstream.simulation.scenes import Scene as SimulatedScene
from csstream.simulation.telescope import Optics, described, nominal_width

BEYOND_LIMIT = 1.0  # [mag] stars down to this much fainter than the scored ones are simulated


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a scene is drawn from; None: the instrument's own."""

    instrument: Instrument
    width_arcsec: float | None = None  # R80 of a diffraction PSF, FWHM of a Moffat profile
    sky: float | None = None  # [electron/s/pixel]
    density: float | None = None  # [star/pixel]
    size: int = 1000  # [pixel] a side
    jitter: float = JITTER  # RMS of the PSF's width and shape from exposure to exposure
    optics: Optics = "analytic"
    all_effects: bool = False  # of the detector: bleeding, cosmic rays, bad pixels, sky gradient

    @property
    def settings(self) -> SceneSettings:
        """Return what the simulation draws from."""
        pinned = pinned_settings(self.instrument)
        faintest = round(limiting_magnitude(self.instrument), 1)
        wanted = {"density": self.density, "width_arcsec": self.width_arcsec, "sky": self.sky}
        ranges: dict[str, Any] = {k: (v, v) for k, v in wanted.items() if v is not None}
        return replace(
            pinned,
            shape=(self.size, self.size),
            magnitudes=(pinned.magnitudes[0], faintest),
            jitter=self.jitter,
            optics=self.optics,
            effects=ALL_EFFECTS if self.all_effects else PLAIN,
            **ranges,
        )

    @property
    def limit(self) -> float:
        """Return the magnitude down to which stars are scored: i = 25 for csst-i."""
        return self.settings.magnitudes[1] - BEYOND_LIMIT

    @property
    def label(self) -> str:
        """Return the conditions in a few characters, fit for a file's name."""
        s = self.settings
        parts = [self.instrument.name, f"psf{s.width_arcsec[0]:g}", f"sky{s.sky[0]:g}"]
        parts.append(f"density{s.density[0]:.4g}")
        parts += [self.optics] if self.optics != "analytic" else []
        parts += ["effects"] if self.all_effects else []
        return "_".join(parts)

    def facts(self) -> dict[str, Any]:
        """Return what pins the scene, for people and for the JSON file."""
        s, instrument = self.settings, self.instrument
        kind = "r80_arcsec" if instrument.psf.model == "diffraction" else "fwhm_arcsec"
        return {
            "label": self.label,
            "instrument": instrument.name,
            kind: s.width_arcsec[0],
            "nominal_width_arcsec": nominal_width(instrument),
            "sky": s.sky[0],
            "zero_point": instrument.photometry.zero_point,
            "exposure_time": instrument.cadence.exposure_time,
            "density": s.density[0],
            "magnitudes": list(s.magnitudes),
            "scored_to": self.limit,
            "psf_jitter": s.jitter,
            "optics": s.optics,
            "detector": "all effects" if self.all_effects else "plain",
        }


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
    level : ndarray, (ny, nx), float32 [electron]
        Sky and dark current.
    """

    name: str
    instrument: Instrument
    frame: Frame
    psf: FieldPsf
    nominal: PixelPsf
    truth: Truth
    flux: Float
    level: npt.NDArray[np.float32]


def simulate_scene(conditions: Conditions, seed: int, index: int = 0) -> Scene:
    """Draw scene ``index`` of a seed and take one exposure of it."""
    return exposed(draw_field(conditions, seed, index), conditions, seed, index)


def draw_field(conditions: Conditions, seed: int, index: int = 0) -> SimulatedScene:
    """Return the field of scene ``index``, to be exposed with :func:`exposed`."""
    return draw_scene(conditions.settings, np.random.SeedSequence([seed, index]))


def exposed(
    field: SimulatedScene, conditions: Conditions, seed: int, index: int, number: int = 0
) -> Scene:
    """Take exposure ``number`` of a field: its noise and the PSF of the moment."""
    instrument = conditions.instrument
    exposure = field.expose(np.random.default_rng([seed, index, number]))
    known = None if field.defects is None else field.defects.known
    frame = frame_from_array(
        exposure.image, scene_header(instrument, field.settings.shape), bad=known
    )
    seen = described(exposure.psf)
    psf = FieldPsf.constant(seen) if isinstance(seen, PixelPsf) else seen
    return Scene(
        name=f"{conditions.label}_{seed}_{index}_{number}",
        instrument=instrument,
        frame=frame,
        psf=psf,
        nominal=psf_from_instrument(instrument),
        truth=truth_with_bound(field.catalogue, field.flux, frame, psf, field.background),
        flux=field.flux,
        level=field.background,
    )


def truth_with_bound(
    stars: StarCatalogue,
    flux: Float,
    frame: Frame,
    psf: FieldPsf,
    level: npt.NDArray[np.float32],
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
