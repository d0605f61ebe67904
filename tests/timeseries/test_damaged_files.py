"""Damaged and absurd files of light curves: a table or a named error, never anything else."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from astropy.table import Table

from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.tables import panels_of, read_centre, read_curves

ROWS, TRIALS = 30, 40


def _columns():
    rng = np.random.default_rng(900)
    return {
        "object_id": np.repeat([7, 8, 9], ROWS // 3),
        "mjd_mid_tai": np.tile(60000.0 + np.arange(ROWS // 3), 3),
        "flux": rng.normal(100.0, 1.0, ROWS),
        "flux_err": np.ones(ROWS),
        "ra": np.full(ROWS, 80.0),
        "dec": np.full(ROWS, -60.0),
    }


def _outcome(path):
    """The reason of a TimeseriesError, or "" for a table; anything else fails the test."""
    try:
        table = read_curves(path)
        read_centre(path)
    except TimeseriesError as error:
        return error.reason
    for panel in panels_of(table):
        assert np.all(np.diff(panel.time) > 0)
    return ""


@pytest.mark.filterwarnings("ignore")  # astropy and numpy complain about what is damaged
@pytest.mark.parametrize("ending", ["parquet", "ecsv", "fits", "csv"])
def test_a_damaged_byte_is_read_or_refused_by_name(tmp_path, ending):
    path = tmp_path / f"curves.{ending}"
    if ending == "parquet":
        parquet.write_table(pyarrow.table(_columns()), path)
    else:
        formats = {"ecsv": "ascii.ecsv", "fits": "fits", "csv": "ascii.csv"}
        Table(_columns()).write(path, format=formats[ending])
    whole = path.read_bytes()
    rng = np.random.default_rng(901)
    for _ in range(TRIALS):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=int(rng.integers(1, 4))):
            damaged[place] = int(rng.integers(256))
        path.write_bytes(damaged)
        _outcome(path)
    for cut in rng.integers(len(whole), size=5):
        path.write_bytes(whole[:cut])
        _outcome(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("object_id", [None] * ROWS),
        ("object_id", [1, None] * (ROWS // 2)),
        ("object_id", [[1, 2]] * ROWS),
        ("object_id", [np.nan] * ROWS),
        ("mjd_mid_tai", ["yesterday"] * ROWS),
        ("mjd_mid_tai", [[60000.0]] * ROWS),
        ("flux", [None] * ROWS),
        ("flux", [{"a": 1}] * ROWS),
        ("ra", ["12:00:00"] * ROWS),
        ("band", [None] * ROWS),
    ],
)
def test_a_column_of_another_type_is_used_or_named(tmp_path, name, values):
    path = tmp_path / "curves.parquet"
    parquet.write_table(pyarrow.table(_columns() | {name: pyarrow.array(values)}), path)
    _outcome(path)


@pytest.mark.parametrize(
    "header", [{"BJDREFI": "many"}, {"BJDREFI": True, "BJDREFF": "x"}, {"TIMESYS": 7, "OBJECT": 3}]
)
def test_a_header_of_another_program_is_used_or_named(tmp_path, header):
    path = tmp_path / "one.fits"
    time = np.arange(20.0)
    Table({"TIME": time, "FLUX": 1.0 + 0.0 * time, "FLUX_ERR": 0.1 + 0.0 * time}).write(path)
    from astropy.io import fits

    with warnings.catch_warnings(), fits.open(path, mode="update") as hdus:
        warnings.simplefilter("ignore")
        hdus[1].header.update(header)
    _outcome(path)


def test_a_table_too_large_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "curves.parquet"
    many = pyarrow.table({"object_id": np.zeros(10**6, np.int64)})
    parquet.write_table(many, path, use_dictionary=False, compression="zstd")
    monkeypatch.setattr("csstream.timeseries.curve_files.MAX_BYTES", 10**6)
    assert path.stat().st_size < 10**5
    assert _outcome(path) == "too_large"
