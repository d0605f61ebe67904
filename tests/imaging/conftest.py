"""Small skies and files for the tests of the image core."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import moffat_psf
from csstream.instruments.instrument import Instrument, load_instrument

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def data_dir():
    """The real frames; skipped where they are not on this machine."""
    folder = os.environ.get("CSSTREAM_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real frames: set CSSTREAM_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def instrument_dir() -> Path:
    return HERE / "instruments"


@pytest.fixture(scope="session")
def any_instrument(instrument_dir) -> Instrument:
    return load_instrument(instrument_dir / "any.toml")


@pytest.fixture(scope="session")
def ogle() -> Instrument:
    return load_instrument("ogle4-i")


@pytest.fixture(scope="session")
def narrow_psf() -> PixelPsf:
    """FWHM about two pixels, as the CSST's."""
    return moffat_psf(1.8, 4.0, 4, 40)


@pytest.fixture(scope="session")
def make_sky(narrow_psf):
    """A function that draws stars, renders them and adds noise."""

    def make(
        seed,
        side=160,
        density=0.01,
        *,
        psf=narrow_psf,
        sky=200.0,
        read_noise=5.0,
        flux=(2e3, 3e5),
        minimal_distance=0.0,
    ):
        rng = np.random.default_rng(seed)
        n = int(density * (side + 40) ** 2)
        x, y = rng.uniform(-20, side + 20, (2, n))
        if minimal_distance > 0.0:
            keep = []
            for k in range(n):
                if all(np.hypot(x[k] - x[i], y[k] - y[i]) > minimal_distance for i in keep):
                    keep.append(k)
            x, y = x[keep], y[keep]
        # as many stars per magnitude as a rising power law in flux gives
        u = rng.random(x.size)
        low, high = flux
        slope = -0.7
        f = (low**slope + u * (high**slope - low**slope)) ** (1 / slope)
        truth = np.full((side, side), sky)
        psf.render(truth, x, y, f, 40)
        image = rng.poisson(truth) + rng.normal(0.0, read_noise, truth.shape)
        return image.astype(np.float32), x, y, f

    return make


@pytest.fixture
def write_fits(tmp_path):
    """A function that writes an image with keywords, and returns the path."""

    def write(data, name="frame.fits", extensions=(), extension_image=False, **keywords):
        defaults = {
            "INSTRUME": "Test",
            "DETECTOR": 3,
            "FILTER": "i",
            "EXPTIME": 100.0,
            "DATE-OBS": "2020-01-01T00:00:00",
            "BUNIT": "adu",
        }
        header = fits.Header()
        for key, value in (defaults | keywords).items():
            if value is not None:
                header[key] = value
        if extension_image:
            hdus = [fits.PrimaryHDU(), fits.CompImageHDU(data, header, name="SCI")]
        else:
            hdus = [fits.PrimaryHDU(data, header)]
        path = tmp_path / name
        fits.HDUList([*hdus, *extensions]).writeto(path)
        return path

    return write
