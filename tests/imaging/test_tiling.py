import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.imaging.finding.tiling import Tiling, assemble, core_corners, run_tiled

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


def whole_output(image, run, tiling, **how):
    def cut(rows, columns):
        return image[:, rows, columns]

    shape = image.shape[1:]
    return assemble(run_tiled(cut, shape, run, tiling, lambda core: core, **how), shape)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([8, 16, 30]), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_tiles_say_what_the_whole_frame_says(ny, nx, core, batch):
    image = np.random.default_rng(ny * 100 + nx).random((2, ny, nx), np.float32)
    whole = whole_output(image, blur, Tiling(core=128, halo=REACH))
    tiled = whole_output(image, blur, Tiling(core=core, halo=REACH), batch=batch)
    np.testing.assert_allclose(tiled, whole, rtol=1e-5)


def test_a_halo_that_is_too_small_shows():
    image = np.ones((1, 64, 64), np.float32)
    whole = whole_output(image, blur, Tiling(core=64, halo=REACH))
    tiled = whole_output(image, blur, Tiling(core=16, halo=2))
    assert not np.allclose(whole, tiled)


def test_every_call_has_the_same_shape():
    shapes = []

    def run(tiles):
        shapes.append(tiles.shape)
        return tiles

    image = np.random.default_rng(2).random((3, 50, 90), np.float32)
    out = whole_output(image, run, Tiling(core=32, halo=8), batch=4)
    np.testing.assert_array_equal(out, image)
    # 50 in two cores of 26, 90 in three of 30
    assert shapes == [(4, 3, 42, 46)] * 2


def test_threads_do_not_change_a_bit():
    image = np.random.default_rng(3).random((2, 61, 47), np.float32)
    runs = [
        whole_output(image, blur, Tiling(core=16, halo=REACH), threads=threads)
        for threads in (1, 2, 3)
    ]
    assert runs[0].tobytes() == runs[1].tobytes() == runs[2].tobytes()


def test_only_tiles_are_cut_out_of_the_frame():
    sizes = []

    def cut(rows, columns):
        sizes.append((rows.stop - rows.start, columns.stop - columns.start))
        return np.zeros((1, *sizes[-1]), np.float32)

    run_tiled(cut, (100, 200), lambda t: t, Tiling(core=20, halo=4), lambda core: None)
    assert max(sizes) == (28, 28)


@given(st.integers(1, 5000), st.sampled_from([16, 464, 720]))
def test_cores_share_a_frame_evenly(n, core):
    side, _ = Tiling(core=core).fitted((n, n))
    assert side <= core
    assert side % 2 == 0
    cores = -(-n // side)
    assert cores == -(-n // core)
    assert cores * side - n < 2 * cores + 2


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
