"""Rendering by convolution is rendering star by star."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from csstream.imaging.psf.profiles import moffat_psf
from csstream.trainer.scene_rendering import SceneRenderer

pytestmark = pytest.mark.train


def test_convolution_is_the_sum_of_the_stars():
    psf = moffat_psf(2.6, 3.0, 4, 24, (0.05, -0.03))
    rng = np.random.default_rng(900)
    x, y, flux = rng.uniform(-20, 70, 300), rng.uniform(-20, 60, 300), rng.uniform(1, 1e6, 300)
    expected = np.zeros((40, 50))
    psf.render(expected, x, y, flux, 24)
    image = SceneRenderer(psf, (40, 50)).render(x, y, flux).numpy()
    edge = 1e6 * 300 * float(psf.evaluate(23.0, 0.0))  # stamps are cut where the table ends
    assert np.abs(image - expected).max() < 0.05 * edge
    assert np.abs(image - expected).max() < 2e-4 * expected.max()


def test_a_star_on_a_pixel_is_the_table():
    psf = moffat_psf(2.6, 3.0, 4, 24)
    image = SceneRenderer(psf, (32, 48)).render([20.0, 900.0], [10.0, 5.0], [1.0, 1.0]).numpy()
    offset = np.arange(48) - 20.0
    near = np.abs(offset) < 22
    assert np.allclose(image[10, near], psf.evaluate(offset[near], 0.0), atol=1e-9)
