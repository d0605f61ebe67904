import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.imaging.finding.pnet import (
    HEADS,
    SPACE_RADII,
    decode,
    empty_pixel_noise,
    join,
    pick,
    prepare,
    resolve,
)


def heads_of(pixels, shape=(20, 20)):
    """Heads with the given {(row, column): (logit, dx, dy)} and nothing elsewhere."""
    heads = np.zeros((len(HEADS), *shape), np.float32)
    heads[0] = -20.0
    for (row, column), values in pixels.items():
        heads[:3, row, column] = values
    return heads


def test_channels_are_in_units_of_the_empty_pixels_noise():
    image = np.full((4, 4), 100.0 + 2 * np.sqrt(125.0), np.float32)
    channels = prepare(image, 100.0, 5.0)
    np.testing.assert_allclose(channels[0], 0.5 * np.arcsinh(2.0), rtol=1e-5)
    np.testing.assert_allclose(channels[1], 0.2, rtol=1e-5)
    assert (channels[2] == 1).all()


def test_channels_do_not_know_the_exposure_time():
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((8, 8)).astype(np.float32)
    short = prepare(100 + noise * 10, 100.0, 0.0)
    long = prepare(400 + noise * 20, 400.0, 0.0)
    np.testing.assert_allclose(short, long, atol=1e-4)


def test_unusable_pixels_are_empty_and_marked():
    image = np.full((3, 3), 500.0, np.float32)
    image[0, 0] = np.nan
    image[1, 1] = np.inf
    mask = np.zeros((3, 3), bool)
    mask[2, 2] = True
    channels = prepare(image, 100.0, 5.0, mask)
    assert np.isfinite(channels).all()
    assert channels[2].sum() == 6
    assert channels[:, 2, 2].tolist() == [0, 0, 0]
    assert channels.dtype == np.float32


def test_background_may_be_a_map():
    level = np.array([[100.0, 400.0]], np.float32)
    np.testing.assert_allclose(empty_pixel_noise(level, 0.0), [[10.0, 20.0]])
    assert prepare(level, level, 0.0)[0].tolist() == [[0.0, 0.0]]


def test_stars_on_adjacent_pixels_both_survive():
    found = decode(heads_of({(5, 5): (3, -0.2, 0), (5, 6): (2, 0.2, 0)}), 0.25)
    assert found.x.tolist() == pytest.approx([4.8, 6.2])
    assert found.score[0] == pytest.approx(1 / (1 + np.exp(-3)))


def test_pixels_that_claim_one_centre_are_one_star():
    found = decode(
        heads_of({(5, 5): (3, 0.4, 0), (5, 6): (2, -0.5, 0), (4, 5): (1, 0.4, 0.9)}), 0.25
    )
    assert found.x.tolist() == pytest.approx([5.4])


def test_a_doubtful_companion_is_a_shoulder():
    heads = heads_of({(5, 5): (3, 0, 0), (5, 6): (-0.5, 0, 0), (9, 9): (-0.5, 0, 0)})
    assert decode(heads, 0.25).x.tolist() == [5, 9]


def test_threshold_is_on_the_raw_score():
    heads = heads_of({(3, 3): (0.1, 0, 0), (9, 9): (-0.1, 0, 0)})
    assert decode(heads, 0.5).x.tolist() == [3]
    assert decode(heads, 0.45).x.tolist() == [3, 9]


def test_nothing_is_found_in_nothing():
    assert decode(heads_of({}), 0.1).x.size == 0


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 12, 20]))
@settings(max_examples=25, deadline=None)
def test_stars_do_not_depend_on_how_the_frame_was_cut(seed, core):
    rng = np.random.default_rng(seed)
    heads = rng.normal(0, 1, (len(HEADS), 40, 36)).astype(np.float32)
    heads[0] = np.round(heads[0])  # ties
    whole = decode(heads, 0.4)
    parts = [
        pick(heads[:, j : j + core, i : i + core], 0.4, j, i)
        for i in range(0, 36, core)
        for j in range(0, 40, core)
    ]
    cut = resolve(join(parts), (40, 36))
    np.testing.assert_array_equal(cut.x, whole.x)
    np.testing.assert_array_equal(cut.ln_flux, whole.ln_flux)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_no_two_stars_lie_within_the_merge_radius(seed):
    rng = np.random.default_rng(seed)
    heads = rng.normal(0, 1, (len(HEADS), 24, 24)).astype(np.float32)
    found = decode(heads, 0.4)
    distance = np.hypot(found.x[:, None] - found.x, found.y[:, None] - found.y)
    assert (distance[np.triu_indices(found.x.size, 1)] >= SPACE_RADII.merge).all()
    assert (np.diff(found.logit) <= 0).all()
