import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.imaging.tiling import Tiling, assemble, core_corners, run_tiled

REACH = 4


def blur(tiles):
    """A linear network of stride two that looks REACH pixels beyond its own cell."""
    b, _, ny, nx = tiles.shape
    cells = tiles.sum(axis=1).reshape(b, ny // 2, 2, nx // 2, 2)
    weights = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    mean = (cells * weights[None, None, :, None, :]).sum(axis=(2, 4))
    padded = np.pad(mean, ((0, 0), (2, 2), (2, 2)))
    wide = sum(
        (1 + 3 * j + i) * padded[:, j : j + ny // 2, i : i + nx // 2]
        for j in range(5)
        for i in range(5)
    )
    return np.repeat(np.repeat(wide, 2, axis=1), 2, axis=2)[:, None]


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([8, 16, 30]), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_tiles_say_what_the_whole_frame_says(ny, nx, core, batch):
    image = np.random.default_rng(ny * 100 + nx).random((2, ny, nx), np.float32)
    whole = assemble(run_tiled(image, blur, Tiling(core=128, halo=REACH)), (ny, nx))
    tiled = assemble(run_tiled(image, blur, Tiling(core=core, halo=REACH), batch), (ny, nx))
    np.testing.assert_allclose(tiled, whole, rtol=1e-5)


def test_a_halo_that_is_too_small_shows():
    image = np.ones((1, 64, 64), np.float32)
    whole = assemble(run_tiled(image, blur, Tiling(core=64, halo=REACH)), (64, 64))
    tiled = assemble(run_tiled(image, blur, Tiling(core=16, halo=2)), (64, 64))
    assert not np.allclose(whole, tiled)


def test_every_call_has_the_same_shape():
    shapes = set()

    def run(tiles):
        shapes.add(tiles.shape)
        return tiles

    cores = list(run_tiled(np.ones((3, 50, 90), np.float32), run, Tiling(core=32, halo=8), 4))
    assert shapes == {(4, 3, 48, 48)}
    assert len(cores) == 6


@given(st.integers(1, 100), st.integers(1, 100))
def test_cores_cover_each_pixel_once(ny, nx):
    count = np.zeros((ny, nx), int)
    for top, left in core_corners((ny, nx), (16, 24)):
        count[top : top + 16, left : left + 24] += 1
    assert (count == 1).all()


@pytest.mark.parametrize(("core", "halo"), [(31, 8), (32, 7), (0, 8), (32, -2)])
def test_tiles_must_fit_the_stride(core, halo):
    with pytest.raises(ValueError, match="multiples of 2"):
        Tiling(core=core, halo=halo)


def test_a_frame_without_pixels_is_refused():
    with pytest.raises(ValueError, match="no pixels"):
        assemble([], (0, 5))
