"""A PSF that varies over the field."""

import numpy as np
import pytest

from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError
from csstream.imaging.psf.profiles import moffat_psf

NARROW = moffat_psf(2.0, 3.0, 4, 12)
WIDE = moffat_psf(2.4, 3.0, 4, 12)
SLOPE = PixelPsf(WIDE.samples - NARROW.samples, 4)
FLAT = PixelPsf(np.zeros_like(NARROW.samples), 4)


def linear() -> FieldPsf:
    """Narrow at x = 0, wide at x = 100."""
    return FieldPsf((NARROW, SLOPE, FLAT), 1, (0.0, 50.0), (100.0, 100.0))


def test_weights_follow_the_order_of_psfex() -> None:
    psf = FieldPsf((NARROW, *(5 * [FLAT])), 2, (10.0, 20.0), (2.0, 4.0))
    u, v = 3.0, 5.0
    weights = psf.weights(10.0 + 2.0 * u, 20.0 + 4.0 * v)
    np.testing.assert_allclose(weights, [[1.0, u, u * u, v, u * v, v * v]])


def test_the_psf_at_a_place_is_the_weighted_sum() -> None:
    np.testing.assert_allclose(linear().at(100.0, 7.0).samples, WIDE.samples, atol=1e-12)
    assert linear().central.fwhm == pytest.approx(NARROW.fwhm, rel=1e-6)


def test_rendering_follows_the_place() -> None:
    image, expected = np.zeros((41, 141)), np.zeros((41, 141))
    linear().render(image, [20.3, 100.0], [20.1, 20.4], [1000.0, 500.0], 12)
    for x, y, flux in ((20.3, 20.1, 1000.0), (100.0, 20.4, 500.0)):
        linear().at(x, y).render(expected, x, y, flux, 12)
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_tables_must_fit() -> None:
    with pytest.raises(PsfError, match="takes 3 tables"):
        FieldPsf((NARROW,), 1)
    with pytest.raises(PsfError, match="one shape"):
        FieldPsf((NARROW, FLAT, moffat_psf(2.0, 3.0, 4, 13)), 1)
    with pytest.raises(PsfError, match="positive"):
        FieldPsf((NARROW,), 0, scale=(0.0, 1.0))
