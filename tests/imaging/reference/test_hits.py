"""What one frame of a stack shows, and no other."""

import numpy as np
import pytest

from csstream.imaging.psf.profiles import moffat_psf
from csstream.imaging.reference.hits import Largest

GAIN, EMPTY = 0.01, 0.04  # variance of a value: gain times value, plus that of the sky
FRAMES, SIDE = 8, 60


def values(rng, hits=()):
    """Frames (m, ny, nx) of stars on changing pixel phases."""
    psf = moffat_psf(2.0, 3.0, 4, 25)
    place = np.random.default_rng(1).uniform(3.0, SIDE - 3.0, (2, 40))
    light = 10.0 ** np.random.default_rng(2).uniform(1.0, 4.0, 40)
    out = np.zeros((FRAMES, SIDE, SIDE))
    for image in out:
        psf.render(image, *(place + rng.uniform(-0.5, 0.5, (2, 1))), light, 20)
    out += rng.normal(0.0, np.sqrt(GAIN * out + EMPTY))
    for frame, y, x, height in hits:
        out[frame, y, x] += height
    return out


def found(images):
    number = images.argmax(axis=0).astype(np.int16)
    largest = Largest(images.max(axis=0).astype(np.float32), number, np.ones(FRAMES, np.float32))
    seen = np.full((SIDE, SIDE), FRAMES, np.int16)
    total, weight = images.sum(axis=0).astype(np.float32), seen.astype(np.float32)
    return largest.hits(total, weight, seen, seen > 2, (GAIN, EMPTY), 0.0)


def test_stars_and_noise_are_no_hits():
    """Six sigma of 3600 pixels: 4e-6 of a field has one."""
    assert not found(values(np.random.default_rng(3))).any()


@pytest.mark.parametrize("beside", [0.0, 2.0])
def test_a_hit_is_found_with_what_lies_beside_it(beside):
    hits = [(4, 20, 30, 12.0), (4, 20, 31, beside)]
    clean = values(np.random.default_rng(3))
    free = clean.max(axis=0) < 2.0
    assert free[18:23, 28:34].all(), "the test needs empty sky there"
    mask = found(values(np.random.default_rng(3), hits))
    assert mask[20, 30]
    assert mask[20, 31] == (beside > 0.0)
    assert mask.sum() == 1 + (beside > 0.0)
