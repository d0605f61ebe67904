"""The Cramér–Rao bound against a dense inverse, and against an estimator that reaches it."""

import numpy as np
import pytest

from csstream.imaging.fit.bound import cramer_rao_bound
from csstream.imaging.psf.field_psf import FieldPsf

SKY, NOISE = 120.0, 5.0


def crowded(seed=901, side=60, density=0.03):
    rng = np.random.default_rng(seed)
    n = int(density * (side + 16) ** 2)
    x, y = rng.uniform(-8, side + 8, (2, n))
    return x, y, 10 ** rng.uniform(2.6, 4.6, n)


def dense_errors(psf, x, y, flux, side):
    """All parameters of all stars in one matrix, derivatives by finite differences."""
    j, i = np.mgrid[0:side, 0:side]
    columns, step = [], 1e-4
    model = np.full((side, side), SKY + NOISE**2)
    for xs, ys, fs in zip(x, y, flux, strict=True):
        model += fs * psf.evaluate(i - xs, j - ys)
        columns.append(psf.evaluate(i - xs, j - ys))
        for ax, ay in ((step, 0.0), (0.0, step)):
            up = psf.evaluate(i - xs - ax, j - ys - ay)
            down = psf.evaluate(i - xs + ax, j - ys + ay)
            columns.append(fs * (up - down) / (2 * step))
    a = np.stack([c.ravel() for c in columns]) / np.sqrt(model.ravel())
    fisher = a @ a.T
    scale = 1.0 / np.sqrt(np.maximum(np.diag(fisher), 1e-30))
    covariance = np.linalg.inv(fisher * np.outer(scale, scale) + 1e-12 * np.eye(len(scale)))
    return (np.sqrt(np.diag(covariance)) * scale).reshape(-1, 3)


def bound_of(psf, x, y, flux, side, **options):
    return cramer_rao_bound(
        psf, x, y, flux, shape=(side, side), background=SKY, read_noise=NOISE, **options
    )


def test_local_inverse_equals_the_inverse_over_all_stars(narrow_psf):
    side = 76
    x, y, flux = crowded(side=side)
    dense = dense_errors(narrow_psf, x, y, flux, side)
    bound = bound_of(narrow_psf, x, y, flux, side)
    # Beyond the edge stars are almost free, and the inverse over all knows how free.
    inside = (x > 8) & (y > 8) & (x < side - 9) & (y < side - 9)
    assert inside.sum() > 80
    for column, err in enumerate((bound.flux_err, bound.x_err, bound.y_err)):
        ratio = err[inside] / dense[inside, column]
        assert np.median(np.abs(ratio - 1.0)) < 1e-4
        assert np.percentile(np.abs(ratio - 1.0), 98) < 0.01
        assert np.max(np.abs(ratio - 1.0)) < 0.05


def test_alone_joint_and_isolated_agree(narrow_psf):
    bound = bound_of(narrow_psf, [30.2], [29.6], [5e3], 60)
    assert bound.flux_err[0] == pytest.approx(bound.isolated_flux_err[0], rel=1e-5)
    assert bound.x_err[0] == pytest.approx(bound.isolated_x_err[0], rel=1e-5)
    assert bound.mag_err[0] == pytest.approx(1.0857 * bound.flux_err[0] / 5e3, rel=1e-4)


def test_crowding_only_costs(narrow_psf):
    x, y, flux = crowded()
    bound = bound_of(narrow_psf, x, y, flux, 60)
    seen = np.isfinite(bound.isolated_flux_err)
    assert np.all(bound.flux_err[seen] >= 0.9999 * bound.isolated_flux_err[seen])
    assert np.all(bound.x_err[seen] >= 0.9999 * bound.isolated_x_err[seen])
    fixed = bound_of(narrow_psf, x, y, flux, 60, free_positions=False)
    assert np.all(fixed.flux_err[seen] <= 1.0001 * bound.flux_err[seen])
    assert np.all(fixed.x_err[seen] == 0.0)


@pytest.mark.parametrize("distance", [0.3, 0.03, 0.001, 0.0])
def test_a_pair_that_cannot_be_told_apart_has_large_but_finite_errors(narrow_psf, distance):
    bound = bound_of(narrow_psf, [30.0, 30.0 + distance], [30.0, 30.0], [1e4, 1e4], 60)
    for joint, alone in (
        (bound.flux_err, bound.isolated_flux_err),
        (bound.x_err, bound.isolated_x_err),
    ):
        assert np.all(np.isfinite(joint))
        assert np.all(joint > 5.0 * alone)


def test_a_star_without_pixels_is_unbounded(narrow_psf):
    mask = np.zeros((60, 60), bool)
    mask[:, 30:] = True
    bound = bound_of(narrow_psf, [10.0, 50.0, 29.5, -70.0], [30.0] * 4, [1e4] * 4, 60, mask=mask)
    assert np.isinf(bound.flux_err[[1, 3]]).all()
    assert bound.flux_err[2] > 1.2 * bound.flux_err[0]


def test_tiles_leave_no_seam(narrow_psf, monkeypatch):
    x, y, flux = crowded(side=120)
    whole = bound_of(narrow_psf, x, y, flux, 120)
    monkeypatch.setattr("csstream.imaging.fit.bound.TILE", 40)
    tiled = bound_of(narrow_psf, x, y, flux, 120)
    seen = np.isfinite(whole.flux_err)
    assert np.allclose(tiled.flux_err[seen], whole.flux_err[seen], rtol=1e-9)
    assert np.allclose(tiled.x_err[seen], whole.x_err[seen], rtol=1e-9)


def test_constant_field_psf_is_the_psf(narrow_psf):
    x, y, flux = crowded(side=40)
    plain = bound_of(narrow_psf, x, y, flux, 40)
    field = bound_of(FieldPsf.constant(narrow_psf), x, y, flux, 40)
    assert np.array_equal(plain.flux_err, field.flux_err)


def test_no_stars(narrow_psf):
    assert bound_of(narrow_psf, [], [], [], 40).flux_err.size == 0


def test_flux_in_place_lies_between_joint_and_known_position(narrow_psf):
    x, y, flux = crowded()
    bound = bound_of(narrow_psf, x, y, flux, 60)
    seen = np.isfinite(bound.flux_err)
    assert np.all(bound.in_place_flux_err[seen] <= 1.0001 * bound.flux_err[seen])
    fixed = bound_of(narrow_psf, x, y, flux, 60, free_positions=False)
    assert np.all(bound.in_place_flux_err[seen] >= 0.9999 * fixed.flux_err[seen])
