"""What bright stars shed beyond their fit stamps, as an image that is renewed where it changes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from csstream.imaging.fit.kernels import add_wings
from csstream.imaging.fit.stamp_tables import wing_tables
from csstream.imaging.frames.frame import Image
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.numerics.workers import Workers, split

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

ROWS = 128  # of an image, treated at a time by one thread
SLOPE = 0.5  # [1/pixel] relative slope of the wings


class Wings:
    """The light of some stars between a hole and the edge of their render stamps.

    Parameters
    ----------
    x, y : ndarray, (n,) [pixel]
        Counted from the corner of the image's margin of ``margin`` pixels.
    half, hole : ndarray, (n,) [pixel]
        Half-widths; a hole of -1 is none.
    """

    def __init__(
        self, psf: FieldPsf, shape: tuple[int, int], margin: int, workers: Workers
    ) -> None:
        self.psf, self.margin, self.workers = psf, margin, workers
        self.image: Image = np.zeros(shape, np.float32)

    def place(self, x: Float, y: Float, half: Int, hole: Int) -> None:
        """Choose the PSFs; the stars come in the order of their rows."""
        self.x, self.y, self.flux = x.copy(), y.copy(), np.zeros(x.size)
        self.reach = int(half.max(initial=0))
        corner = float(self.margin)
        self.table, self.which = wing_tables(self.psf, x - corner, y - corner, self.reach)
        self.row = np.rint(y).astype(np.int64)
        self.places = (np.rint(x).astype(np.int64), self.row, half, hole)

    def renew(self, x: Float, y: Float, flux: Float, stale: float) -> None:
        """Bring the image to new positions and fluxes where that changes more than ``stale``.

        A shift counts as the share of the flux by which it changes the wings.
        """
        change = np.abs(flux - self.flux)
        change += SLOPE * np.hypot(x - self.x, y - self.y) * np.abs(self.flux)
        chosen = np.flatnonzero(change > stale)
        self._add(chosen, -self.flux)
        for mine, new in ((self.x, x), (self.y, y), (self.flux, flux)):
            mine[chosen] = new[chosen]
        self._add(chosen, self.flux)

    def _add(self, chosen: Int, flux: Float) -> None:
        chosen = chosen[flux[chosen] != 0.0]
        row, places = self.row[chosen], tuple(v[chosen] for v in self.places)
        light = (self.x[chosen], self.y[chosen], flux[chosen])
        stars = (self.table, self.which[chosen], *light, *places)
        bands = []
        for low, high in split(self.image.shape[0], ROWS):
            first = int(np.searchsorted(row, low - self.reach))
            last = int(np.searchsorted(row, high + self.reach, side="right"))
            if first < last:
                bands.append((first, last, low, high))
        self.workers.run(lambda *band: add_wings(self.image, *stars, *band), bands)
