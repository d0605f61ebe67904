"""Stars with a flat top."""

from dataclasses import replace

import numpy as np
import pytest

from csstream.imaging.finding.candidates import Candidates
from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.finding.saturated import (
    clear_of_saturated,
    saturated_pixels,
    saturated_stars,
)
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.profiles import moffat_psf

SKY, FULL = 200.0, 20_000.0
PSF = moffat_psf(2.0, 3.0, 4, 40)
HEADER = replace(
    blank_header(read_noise=5.0, saturation=FULL, shape=(80, 100)), pointing=(10.0, 20.0)
)


def bright_frame(x, y, flux, *, bleed=0):
    image = np.full((80, 100), SKY)
    PSF.render(image, x, y, flux, 40)
    image = np.random.default_rng(3).poisson(image).astype(np.float32)
    if bleed:
        row, column = round(y[0]), round(x[0])
        image[row - bleed : row + bleed + 1, column] = FULL
    image = np.minimum(image, FULL)
    return frame_from_array(image, HEADER, psf=PSF), np.full(image.shape, SKY, np.float32)


def test_the_start_is_near_the_truth() -> None:
    frame, level = bright_frame([40.3, 75.0], [39.8, 20.4], [1e6, 3e5])
    found = saturated_stars(frame, saturated_pixels(frame), level, PSF)
    order = np.argsort(-found.flux)
    np.testing.assert_allclose(found.x[order], [40.3, 75.0], atol=0.5)
    np.testing.assert_allclose(found.y[order], [39.8, 20.4], atol=0.5)
    np.testing.assert_allclose(found.flux[order], [1e6, 3e5], rtol=0.3)


def test_a_bleeding_trail_does_not_move_the_star() -> None:
    frame, level = bright_frame([40.3], [39.8], [1e6], bleed=15)
    found = saturated_stars(frame, saturated_pixels(frame), level, PSF)
    assert len(found) == 1
    assert found.y[0] == pytest.approx(39.8, abs=0.7)


def test_the_fit_measures_it_from_its_wings_and_nothing_else() -> None:
    frame, _ = bright_frame([40.3], [39.8], [3e6])
    sources = measure_frame(frame, ClassicalStrategy()).sources
    assert sources.flux[0] == pytest.approx(3e6, rel=0.02)
    assert np.hypot(sources.x[0] - 40.3, sources.y[0] - 39.8) < 0.05
    near = np.hypot(sources.x - 40.3, sources.y - 39.8) < 15.0
    assert near.sum() == 1


def test_candidates_on_flat_tops_give_way() -> None:
    frame, _ = bright_frame([40.3], [39.8], [1e6])
    one = np.ones(3)
    candidates = Candidates(np.array([40.0, 43.0, 60.0]), np.array([40.0, 40.0, 40.0]), one, one)
    kept = clear_of_saturated(candidates, saturated_pixels(frame))
    assert list(kept) == [False, False, True]


def test_a_frame_without_flat_tops_has_none() -> None:
    frame, level = bright_frame([40.3], [39.8], [1e4])
    assert len(saturated_stars(frame, saturated_pixels(frame), level, PSF)) == 0
