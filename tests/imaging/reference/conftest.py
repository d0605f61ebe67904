"""A small field and dithered frames of it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from astropy.wcs import WCS

from csstream.imaging.frames.frame import Frame, blank_header, frame_from_array
from csstream.imaging.sky import pixel_positions, sky_positions

SIDE = 140
EXPOSURE = 100.0  # [s]
SKY = 200.0  # [electron]
READ_NOISE = 5.0


def tan(shift=(0.0, 0.0), side=SIDE):
    """A plane of 0.074 arcsec pixels; stars lie at x + shift in it."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [269.21, -29.58]
    wcs.wcs.crpix = [0.5 * (side + 1) + shift[0], 0.5 * (side + 1) + shift[1]]
    wcs.wcs.cdelt = [-0.074 / 3600.0, 0.074 / 3600.0]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


@dataclass(frozen=True, eq=False)
class Sky:
    """Stars on a plane, and a way to expose them."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray  # [electron] in one exposure
    psf: object

    def expose(self, seed, shift=(0.0, 0.0), *, gain=1.0, noise=True, hits=(), wcs=True) -> Frame:
        """One frame; ``hits``: (x, y, electron) of cosmic rays three pixels long."""
        rng = np.random.default_rng(seed)
        truth = np.full((SIDE, SIDE), SKY)
        self.psf.render(truth, self.x + shift[0], self.y + shift[1], gain * self.flux, 40)
        image = truth
        if noise:
            image = rng.poisson(truth) + rng.normal(0.0, READ_NOISE, truth.shape)
        for x, y, electrons in hits:
            image[y, x : x + 3] += electrons
        header = blank_header(
            exposure_time=EXPOSURE, shape=image.shape, read_noise=READ_NOISE, saturation=6e4,
            pixel_scale_arcsec=0.074,
        )  # fmt: skip
        header = replace(header, pointing=(269.21, -29.58))
        return frame_from_array(image, header, wcs=tan(shift) if wcs else None, psf=self.psf)

    def on(self, plane):
        """Pixels (x, y) of the stars on a plane."""
        return pixel_positions(plane, *sky_positions(tan(), self.x, self.y))


def dithers(count, seed=1):
    """Shifts of a few pixels, the first one zero."""
    rng = np.random.default_rng(seed)
    shifts = rng.uniform(-3.0, 3.0, (count, 2))
    shifts[0] = 0.0
    return [tuple(shift) for shift in shifts]


@pytest.fixture(scope="session")
def sky(narrow_psf) -> Sky:
    rng = np.random.default_rng(901)
    count = int(0.008 * (SIDE + 40) ** 2)
    x, y = rng.uniform(-20.0, SIDE + 20.0, (2, count))
    flux = rng.uniform(5e4**-0.7, 250.0**-0.7, count) ** (-1 / 0.7)
    return Sky(x, y, flux, narrow_psf)


@pytest.fixture(scope="session")
def frames(sky) -> list[Frame]:
    """Eight dithered exposures, with clouds and a cosmic ray each."""
    rng = np.random.default_rng(7)
    shifts = dithers(8)
    return [
        sky.expose(
            k,
            shift,
            gain=float(1.0 - 0.02 * (k % 3)),
            hits=[(int(rng.uniform(20, 120)), int(rng.uniform(20, 120)), 3e3)],
        )
        for k, shift in enumerate(shifts)
    ]
