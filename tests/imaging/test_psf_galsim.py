"""The PSF against an independent program, GalSim (in the training environment)."""

import numpy as np
import pytest

galsim = pytest.importorskip("galsim")

from csstream.imaging.psf.profiles import (  # noqa: E402
    encircled_energy,
    moffat_psf,
    psf_from_instrument,
)
from csstream.instruments.instrument import load_instrument  # noqa: E402

pytestmark = pytest.mark.train
GRID = 65


def drawn(profile, scale):
    image = profile.drawImage(nx=GRID, ny=GRID, scale=scale / 4, method="no_pixel")
    return image.array * 16  # flux per fine sample to response per pixel


def middle(psf):
    centre, half = psf.samples.shape[0] // 2, GRID // 2
    return psf.samples[centre - half : centre + half + 1, centre - half : centre + half + 1]


def test_diffraction_psf_is_galsims():
    psf = psf_from_instrument(load_instrument("csst-i"))
    airy = galsim.Airy(lam=764.0, diam=2.0, scale_unit=galsim.arcsec)
    cutoff = 2.0 / 764e-9 / 206264.80625 * 0.074
    sigmas = np.linspace(0.3, 0.9, 601)
    energies = [encircled_energy(0.132 / 0.074, cutoff, sigma) for sigma in sigmas]
    sigma = float(np.interp(-0.8, -np.array(energies), sigmas)) * 0.074
    blurred = galsim.Convolve(airy, galsim.Gaussian(sigma=sigma))
    expected = drawn(galsim.Convolve(blurred, galsim.Pixel(0.074)), 0.074)
    assert np.abs(middle(psf) - expected).max() < 3e-3 * expected.max()
    fine = blurred.drawImage(nx=801, ny=801, scale=0.074 / 20, method="no_pixel").array
    y, x = (np.indices(fine.shape) - 400) * 0.074 / 20
    assert fine[np.hypot(x, y) < 0.132].sum() == pytest.approx(0.8, abs=0.005)


def test_moffat_psf_is_galsims():
    moffat = galsim.Moffat(beta=3.0, fwhm=4.8)
    expected = drawn(galsim.Convolve(moffat, galsim.Pixel(1.0)), 1.0)
    found = middle(moffat_psf(4.8, 3.0, 4, 80))
    assert np.abs(found - expected).max() < 2e-3 * expected.max()
