import numpy as np
import pytest

torch = pytest.importorskip("torch")

from csstream.trainer.pnet_targets import losses, make_targets  # noqa: E402

pytestmark = pytest.mark.train


def targets_of(stars, shape=(16, 16)):
    x, y, ln_flux, listed = (np.array(column) for column in zip(*stars, strict=True))
    return make_targets(
        x.astype(float), y.astype(float), ln_flux.astype(float), listed.astype(bool), shape
    )


def test_a_star_owns_the_pixel_that_it_lies_on():
    heat, positive, dx, dy, ln_flux, weight = targets_of([(5.3, 7.8, 4.0, True)])
    assert positive.sum() == positive[8, 5] == 1
    assert heat[8, 5] == weight[8, 5] == 1
    assert dx[8, 5] == pytest.approx(0.3)
    assert dy[8, 5] == pytest.approx(-0.2)
    assert ln_flux[8, 5] == pytest.approx(4)


def test_neighbours_learn_the_same_centre_with_less_weight():
    heat, positive, dx, dy, _, weight = targets_of([(5.3, 8.0, 4.0, True)])
    assert dx[8, 6] == pytest.approx(-0.7)
    assert dy[8, 6] == 0
    assert 0 < weight[8, 6] < 0.25
    assert heat[8, 6] == pytest.approx(np.exp(-0.5 * (0.7 / 0.45) ** 2))
    assert positive[8, 6] == 0


def test_nuisance_stars_are_neither_asked_for_nor_punished():
    heat, positive, _, _, _, weight = targets_of([(5.0, 5.0, 2.0, False)])
    assert heat[5, 5] == 1
    assert positive.sum() == weight.sum() == 0


def test_the_brighter_of_two_stars_keeps_the_pixel():
    bright_first = targets_of([(5.2, 5.0, 6.0, True), (4.8, 5.0, 3.0, True)])
    faint_first = targets_of([(4.8, 5.0, 3.0, True), (5.2, 5.0, 6.0, True)])
    np.testing.assert_array_equal(bright_first, faint_first)
    assert bright_first[4, 5, 5] == 6


def test_stars_beyond_the_stamp_do_not_write_outside():
    targets = targets_of([(-1.2, 3.0, 5.0, True), (15.9, 16.4, 5.0, True), (-40.0, 3.0, 9.0, True)])
    assert targets[1].sum() == 0
    assert targets[0, 3, 0] > 0


def perfect_heads(targets):
    heads = np.zeros((1, 6, *targets.shape[1:]), np.float32)
    heads[0, 0] = np.where(targets[1] > 0, 12.0, -12.0)
    heads[0, 1:4] = targets[2:5]
    heads[0, 4:6] = np.log(0.05)
    return torch.from_numpy(heads)


def test_losses_are_least_at_the_truth():
    targets = targets_of([(5.3, 7.8, 4.0, True), (10.0, 10.4, 6.0, True)])
    heads, valid = perfect_heads(targets), torch.ones(1, 16, 16)
    asked = torch.from_numpy(targets[None])
    best = losses(heads, asked, valid)
    assert float(best.centre) < 1e-3
    for channel, name in ((1, "position"), (3, "flux")):
        worse = heads.clone()
        worse[:, channel] += 0.2
        assert getattr(losses(worse, asked, valid), name) > getattr(best, name)
    assert losses(-heads, asked, valid).centre > 1


def test_the_width_that_fits_the_error_is_best():
    targets = targets_of([(8.0, 8.0, 4.0, True)])
    asked, valid = torch.from_numpy(targets[None]), torch.ones(1, 16, 16)
    heads = perfect_heads(targets)
    heads[:, 3] += 0.1
    found = []
    for width in (0.03, 0.1, 0.4):
        heads[:, 5] = float(np.log(width))
        found.append(float(losses(heads, asked, valid).flux))
    assert found[1] == min(found)


def test_nothing_is_asked_where_it_is_not_valid():
    asked = torch.from_numpy(targets_of([(8.0, 8.0, 4.0, True)])[None])
    nothing = losses(torch.zeros(1, 6, 16, 16), asked, torch.zeros(1, 16, 16))
    assert float(nothing.total) == 0
