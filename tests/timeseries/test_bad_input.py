"""Bad panels: a result or a named error, never a wrong number and never a warning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

LOOK = ExamineSettings(look_at_all=True)
STARS, EPOCHS = 4, 60


def _panel():
    rng = np.random.default_rng(11)
    time = 60000.0 + np.sort(rng.uniform(0.0, 3.5, EPOCHS))
    flux = 1000.0 * (1.0 + 0.01 * rng.normal(size=(STARS, EPOCHS)))
    return time, flux, np.full((STARS, EPOCHS), 10.0)


def _good(result, stars=STARS):
    assert len(result) == stars
    assert np.all((result.fap >= 0) & (result.fap <= 1) | np.isnan(result.fap))
    assert not np.isinf(result.snr_bls).any()
    assert not result.crossed.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e300, -1e300, 0.0])
def test_one_absurd_flux_changes_nothing_for_the_others(value):
    time, flux, error = _panel()
    before = examine_panel(time, flux, error)
    flux[1, 7] = value
    result = examine_panel(time, flux, error, LOOK)
    _good(result)
    assert np.allclose(np.delete(result.power_ls, 1), np.delete(before.power_ls, 1))
    if value != 0.0:
        assert result.n_epochs[1] == before.n_epochs[1] - 1  # it was not used


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -5.0, 1e-200, 1e200])
def test_epochs_with_an_absurd_error_are_not_used(value):
    time, flux, error = _panel()
    used = examine_panel(time, flux, error).n_epochs[2]
    error[2, 7] = value
    result = examine_panel(time, flux, error, LOOK)
    _good(result)
    assert result.n_epochs[2] == used - 1


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e27])
def test_unit_of_a_panel_is_free(scale):
    time, flux, error = _panel()
    one, other = examine_panel(time, flux, error), examine_panel(time, scale * flux, scale * error)
    assert np.allclose(one.snr_bls, other.snr_bls, rtol=1e-3)


@pytest.mark.parametrize("fill", [0.0, np.nan, 5.0, -5.0])
def test_stars_that_never_change(fill):
    time, flux, error = _panel()
    flux[:] = fill
    result = examine_panel(time, flux, error, LOOK)
    _good(result)
    assert not result.shortlisted.any()


def test_masked_values_are_not_measured():
    time, flux, error = _panel()
    flux[0, ::3] = 7000.0
    masked = np.ma.masked_greater(flux, 5000.0)
    assert examine_panel(time, masked, error).n_epochs[0] == EPOCHS - len(flux[0, ::3])


@pytest.mark.parametrize(
    "time",
    [
        np.full(EPOCHS, 5.0),
        np.repeat([1.0, 2.0], EPOCHS // 2),
        np.repeat(np.arange(EPOCHS // 2) * 0.1, 2),
        60000.0 + np.arange(EPOCHS) * 1e-9,
        np.arange(EPOCHS) * 1e5,
    ],
    ids=["equal", "two", "duplicates", "dense", "long"],
)
def test_odd_times_give_a_result(time):
    _, flux, error = _panel()
    _good(examine_panel(time, flux, error, LOOK))


@pytest.mark.parametrize("shape", [(0, EPOCHS), (STARS, 0), (STARS, 1), (0, 0), (1, 2)])
def test_hardly_any_data_give_a_result(shape):
    time, flux, error = np.arange(shape[1]) * 1.0, np.ones(shape), np.ones(shape)
    _good(examine_panel(time, flux, error, LOOK), shape[0])


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda t, f, e: (t[::-1], f, e), "time_order"),
        (lambda t, f, e: (np.where(t == t[3], np.nan, t), f, e), "time_order"),
        (lambda t, f, e: (t[:-1], f, e), "shape"),
        (lambda t, f, e: (t, f[0], e[0]), "shape"),
        (lambda t, f, e: (t, f, e[:2]), "shape"),
        (lambda t, f, e: (t, [*f.astype(str).tolist(), ["x"] * EPOCHS], e), "not_numbers"),
        (lambda t, f, e: (t, [[1.0], [1.0, 2.0]], e), "not_numbers"),
    ],
)
def test_what_cannot_be_examined_is_named(break_it, reason):
    with pytest.raises(TimeseriesError) as caught:
        examine_panel(*break_it(*_panel()))
    assert caught.value.reason == reason


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_mixture_gives_a_result_or_a_named_error(data):
    time, flux, error = _panel()
    values = st.sampled_from([np.nan, np.inf, -1.0, 0.0, 1e-300, 1e30, -1e30, 1e300, 1.0])
    for array in (flux, error):
        for _ in range(data.draw(st.integers(0, 8))):
            row, column = data.draw(st.integers(0, STARS - 1)), data.draw(st.integers(0, EPOCHS))
            array[row, column:] = data.draw(values)
    if data.draw(st.booleans()):
        time[data.draw(st.integers(0, EPOCHS - 1))] = data.draw(st.sampled_from([np.nan, 6e4, 1.0]))
    try:
        result = examine_panel(time, flux, error, LOOK)
    except TimeseriesError as named:
        reason = named.reason
    else:
        reason = "time_order"
        assert len(result) == STARS
        assert np.all((result.fap >= 0) & (result.fap <= 1) | np.isnan(result.fap))
    assert reason == "time_order"
