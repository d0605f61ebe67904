"""Barycentric times against astropy's own light travel time and its TDB."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from csstream.timeseries.barycentre import bjd_tdb

TIMES = np.array([51544.5, 58849.123456, 60310.1, 60400.7, 60500.25, 61366.9, 69807.0])
SECOND = 1.0 / 86400.0
PLACES = [(269.2, -29.5), (0.0, 0.0), (270.0, 66.56), (123.4, -89.9)]


def astropy_bjd(ra, dec):
    import astropy.units as u
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    centre = EarthLocation.from_geocentric(0.0, 0.0, 0.0, unit=u.m)
    with (
        iers.earth_orientation_table.set(iers.IERS_B.open()),  # in astropy's package
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        time = Time(TIMES, format="mjd", scale="tai", location=centre)
        travel = time.light_travel_time(SkyCoord(ra, dec, unit="deg"), ephemeris="builtin")
        return (time.tdb + travel).jd


@pytest.mark.filterwarnings("ignore")  # astropy warns of dates after its tables
@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_times_are_astropys_to_a_millisecond(ra, dec):
    difference = (bjd_tdb(TIMES, ra, dec) - astropy_bjd(ra, dec)) / SECOND
    assert np.abs(difference).max() < 1e-3


def test_a_year_swings_by_a_thousand_seconds_in_the_ecliptic_and_not_at_its_pole():
    year = 60000.0 + np.arange(0.0, 366.0)
    swing = [
        np.ptp(bjd_tdb(year, ra, dec) - year) / SECOND for ra, dec in [(0.0, 0.0), (270.0, 66.56)]
    ]
    assert 990.0 < swing[0] < 1010.0
    assert swing[1] < 15.0


def test_a_star_at_the_edge_of_a_cell_is_off_by_less_than_a_tenth_of_a_second():
    year = 60000.0 + np.arange(0.0, 366.0)
    edge = 36.0 / 3600.0  # [deg] half the diagonal of a cell
    for ra, dec in [(edge, 0.0), (0.0, edge)]:
        assert np.abs(bjd_tdb(year, ra, dec) - bjd_tdb(year, 0.0, 0.0)).max() < 0.1 * SECOND


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert np.isfinite(bjd_tdb(np.array([60310.0, 80000.0]), 10.0, 20.0)).all()


def test_no_epochs_and_unknown_ones():
    assert bjd_tdb(np.empty(0), 0.0, 0.0).shape == (0,)
    assert np.isnan(bjd_tdb(np.array([60310.0, np.nan]), 0.0, 0.0)).tolist() == [False, True]
