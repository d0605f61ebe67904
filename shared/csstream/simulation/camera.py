"""A field exposed again and again in memory, thousands of times at little cost.

The pixels of the constant stars are linear in the PSF, and the PSF of the moment is a mixture of
four fixed tables: a narrow and a wide one, and its change with either component of the
ellipticity. So a field is rendered once per table and dither position, and an exposure adds four
images and what the variable stars differ by. For that the dithers are a list that is gone through
in a random order, as a telescope repeats a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import electrons_from_magnitudes
from csstream.simulation.detector import PLAIN, DetectorEffects, expose
from csstream.simulation.epochs import Epochs
from csstream.simulation.field import Field
from csstream.simulation.frames import background_level, stamp_half_widths
from csstream.simulation.telescope import analytic_psf, nominal_width

Image = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

WIDTH_STEP = 0.02  # relative width between the nominal PSF and the two that are mixed
SHAPE_STEP = 0.02  # ellipticity of the tables whose difference is the PSF's slope


@dataclass(frozen=True, eq=False)
class PsfMixture:
    """The analytic PSF of nearly nominal width and small ellipticity, as four tables.

    Over ±2 % of the width, and over as much ellipticity, the profile is linear to 1e-4 of the
    peak.
    """

    tables: tuple[PixelPsf, PixelPsf, PixelPsf, PixelPsf]  # narrow, wide, slopes by e1 and e2

    @classmethod
    def of_instrument(cls, instrument: Instrument) -> PsfMixture:
        """Make the tables of an instrument's nominal PSF."""
        width = nominal_width(instrument)
        narrow = analytic_psf(instrument, width * (1.0 - WIDTH_STEP))
        wide = analytic_psf(instrument, width * (1.0 + WIDTH_STEP))
        slopes = []
        for e1, e2 in ((SHAPE_STEP, 0.0), (0.0, SHAPE_STEP)):
            plus = analytic_psf(instrument, width, (e1, e2)).samples
            minus = analytic_psf(instrument, width, (-e1, -e2)).samples
            slopes.append(PixelPsf((plus - minus) / (2.0 * SHAPE_STEP), narrow.oversampling))
        return cls((narrow, wide, slopes[0], slopes[1]))

    def weights(self, scale: float, ellipticity: tuple[float, float]) -> FloatArray:
        """Return the share of each table, (4,), in the PSF of a relative width and shape."""
        share = 0.5 + 0.5 * (scale - 1.0) / WIDTH_STEP
        return np.array([1.0 - share, share, *ellipticity])

    def at(self, scale: float, ellipticity: tuple[float, float] = (0.0, 0.0)) -> PixelPsf:
        """Return the PSF of the moment."""
        weights = self.weights(scale, ellipticity)
        mixed = sum(w * t.samples for w, t in zip(weights, self.tables, strict=True))
        return PixelPsf(np.asarray(mixed), self.tables[0].oversampling)


class FieldCamera:
    """Exposes one field; ``epochs.dither`` should hold few different positions.

    Parameters
    ----------
    field, epochs
        What is seen, and the circumstances of every frame.
    effects : DetectorEffects
        Only cosmic rays and bleeding; defects are not simulated here.
    """

    def __init__(
        self,
        field: Field,
        epochs: Epochs,
        instrument: Instrument,
        effects: DetectorEffects = PLAIN,
    ) -> None:
        self.field, self.epochs, self.instrument = field, epochs, instrument
        self.effects = effects
        self.mixture = PsfMixture.of_instrument(instrument)
        self.flux = electrons_from_magnitudes(field.catalogue.mag, instrument)
        self.constant = len(field.catalogue) - len(field.variables)
        self.curves = field.curves(epochs.mid)
        self._images: dict[tuple[float, float], list[Image]] = {}

    def expose(self, index: int, rng: np.random.Generator) -> Image:
        """Return frame ``index``, (ny, nx), float32 [electron], whole image units as in a file."""
        epochs, detector = self.epochs, self.instrument.detector
        change = 10.0 ** (0.4 * (epochs.zero_point[index] - self.instrument.photometry.zero_point))
        image = self._stars(index)
        image *= np.float32(change)
        image += np.float32(self.background(index))
        exposed = expose(rng, image, self.instrument, effects=self.effects)
        units = np.rint(exposed / np.float32(detector.gain))
        return np.asarray(units * np.float32(detector.gain), np.float32)

    def background(self, index: int) -> float:
        """Return sky and dark current of a frame [electron/pixel]."""
        sky = self.instrument.photometry.sky * float(self.epochs.sky[index])
        return background_level(self.instrument, sky=sky)

    def psf(self, index: int) -> PixelPsf:
        """Return the true PSF of a frame."""
        e1, e2 = self.epochs.ellipticity[index].tolist()
        return self.mixture.at(float(self.epochs.psf_scale[index]), (e1, e2))

    def _stars(self, index: int) -> Image:
        """Return the light of all stars [electron], without the frame's zero point."""
        dx, dy = self.epochs.dither[index].tolist()
        images = self._mean_images(dx, dy)
        e1, e2 = self.epochs.ellipticity[index].tolist()
        weights = self.mixture.weights(float(self.epochs.psf_scale[index]), (e1, e2))
        total = images[0] * np.float32(weights[0])
        for image, weight in zip(images[1:], weights[1:], strict=True):
            if weight:
                total += image * np.float32(weight)
        if len(self.field.variables):
            self._add_changes(total, index, dx, dy)
        return total

    def _add_changes(self, image: Image, index: int, dx: float, dy: float) -> None:
        """Add what the variable stars differ from their means by."""
        stars, flux = self.field.catalogue, self.flux[self.constant :]
        change = flux * (self.curves[:, index] - 1.0)
        moved = np.flatnonzero(np.abs(change) > 1e-3)
        if moved.size:
            x, y = stars.x[self.constant :] + dx, stars.y[self.constant :] + dy
            psf = self.psf(index)
            half = stamp_half_widths(np.abs(change[moved]), psf)
            psf.render(image, x[moved], y[moved], change[moved], half)

    def _mean_images(self, dx: float, dy: float) -> list[Image]:
        """Return the field at a dither through each table [electron], cached."""
        key = (dx, dy)
        if key not in self._images:
            stars = self.field.dithered(dx, dy)
            half = stamp_half_widths(self.flux, self.mixture.tables[1])
            self._images[key] = [
                self._mean_image(table, stars.x, stars.y, half) for table in self.mixture.tables
            ]
        return self._images[key]

    def _mean_image(
        self, table: PixelPsf, x: FloatArray, y: FloatArray, half: npt.NDArray[np.int64]
    ) -> Image:
        image = np.zeros(self.field.shape, np.float32)
        table.render(image, x, y, self.flux, half)
        return image


def dither_list(
    rng: np.random.Generator, frames: int, positions: int, largest: float
) -> FloatArray:
    """Return the dithers (frames, 2) [pixel]: a list of positions, in random order."""
    places = rng.uniform(-largest, largest, (positions, 2))
    return np.asarray(places[rng.integers(positions, size=frames)])
