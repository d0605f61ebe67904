"""Tables of light curves: every format, panels, and errors that name the column."""

from __future__ import annotations

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from csstream.timeseries.curve_files import file_kind
from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.tables import panels_of, read_curves


def _table(ids=("a", "b"), epochs=4):
    time = np.tile(60000.0 + np.arange(epochs), len(ids))
    return {
        "object_id": np.repeat(np.array(ids), epochs),
        "mjd_mid_tai": time,
        "flux": np.arange(len(time)) + 10.0,
        "flux_err": np.full(len(time), 0.5),
    }


def _write(columns, path):
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    else:
        form = {".ecsv": "ascii.ecsv", ".fits": "fits", ".csv": "ascii.csv"}[path.suffix]
        Table(columns).write(path, format=form)
    return path


@pytest.mark.parametrize("ending", ["parquet", "ecsv", "fits", "csv"])
def test_every_format_reads_the_same(tmp_path, ending):
    read = read_curves(_write(_table(), tmp_path / f"curves.{ending}"))
    assert list(read.object_id) == ["a"] * 4 + ["b"] * 4
    assert np.allclose(read.flux, np.arange(8) + 10.0)
    assert np.allclose(read.time[:4], 60000.0 + np.arange(4))


def test_integer_ids_stay_integers(tmp_path):
    read = read_curves(_write(_table(ids=(2**60 + 1, 7)), tmp_path / "c.parquet"))
    assert read.object_id[0] == 2**60 + 1


def test_magnitudes_become_fluxes(tmp_path):
    columns = _table(ids=("a",))
    del columns["flux"], columns["flux_err"]
    columns |= {"mag": [15.0, 15.0, 15.0, 17.5], "mag_err": np.full(4, 0.01)}
    read = read_curves(_write(columns, tmp_path / "c.csv"))
    assert read.flux[0] / read.flux[3] == pytest.approx(10.0)
    assert read.flux_err[0] / read.flux[0] == pytest.approx(0.01 * 0.921, rel=1e-3)


def test_unit_of_the_time_is_read(tmp_path):
    table = Table(_table(ids=("a",)))
    table["mjd_mid_tai"] = (table["mjd_mid_tai"] - 60000.0) * 24.0
    table["mjd_mid_tai"].unit = units.hour
    table.write(tmp_path / "c.ecsv")
    assert np.allclose(read_curves(tmp_path / "c.ecsv").time, np.arange(4))
    table["mjd_mid_tai"].unit = units.m
    table.write(tmp_path / "d.ecsv")
    with pytest.raises(TimeseriesError, match="'mjd_mid_tai' is in 'm'"):
        read_curves(tmp_path / "d.ecsv")


def test_bad_rows_are_left_out_and_repeats_averaged(tmp_path):
    columns = _table(ids=("a",))
    columns["flux"] = np.array([10.0, 12.0, np.nan, 13.0])
    columns["mjd_mid_tai"] = np.array([1.0, 1.0, 2.0, 3.0])
    columns["flux_err"] = np.array([1.0, 1.0, 1.0, -1.0])
    read = read_curves(_write(columns, tmp_path / "c.parquet"))
    assert list(read.time) == [1.0]
    assert read.flux[0] == 11.0
    assert read.flux_err[0] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("column", ["object_id", "mjd_mid_tai", "flux_err"])
def test_a_missing_column_is_named(tmp_path, column):
    columns = _table()
    del columns[column]
    with pytest.raises(TimeseriesError, match=f"no column '{column}'") as caught:
        read_curves(_write(columns, tmp_path / "c.csv"))
    assert caught.value.reason == "missing_column"


def test_text_where_numbers_should_be_is_named(tmp_path):
    columns = _table()
    columns["flux"] = np.array(["x"] * 8)
    with pytest.raises(TimeseriesError, match="'flux' is not numeric"):
        read_curves(_write(columns, tmp_path / "c.csv"))


def test_bands_must_be_chosen(tmp_path):
    columns = _table()
    columns["band"] = np.array(["g", "i"] * 4)
    path = _write(columns, tmp_path / "c.csv")
    with pytest.raises(TimeseriesError, match="choose one"):
        read_curves(path)
    assert len(read_curves(path, band="g").time) == 4
    with pytest.raises(TimeseriesError, match="no 'r'"):
        read_curves(path, band="r")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("c.parquet", "unreadable"), ("d.csv", "missing_file"), ("e.txt", "format")],
)
def test_files_that_cannot_be_read(tmp_path, name, reason):
    (tmp_path / "c.parquet").write_bytes(b"no parquet")
    (tmp_path / "e.txt").touch()
    with pytest.raises(TimeseriesError) as caught:
        read_curves(tmp_path / name)
    assert caught.value.reason == reason


def test_results_need_a_known_ending(tmp_path):
    with pytest.raises(TimeseriesError, match="must end in"):
        file_kind(tmp_path / "result.txt")


def test_objects_with_common_epochs_share_a_panel(tmp_path):
    columns = _table(ids=("b", "a", "c"), epochs=6)
    keep = np.arange(18) != 7
    path = _write({k: v[keep] for k, v in columns.items()}, tmp_path / "c.parquet")
    panels = list(panels_of(read_curves(path)))
    assert len(panels) == 1
    assert list(panels[0].object_id) == ["b", "a", "c"]
    assert panels[0].flux.shape == (3, 6)
    assert np.isnan(panels[0].flux[1, 1])
    assert panels[0].flux[2, 5] == 27.0


def test_objects_without_common_epochs_come_alone_or_with_their_like(tmp_path):
    columns = _table(ids=tuple("abcdef"), epochs=5)
    columns["mjd_mid_tai"] += np.repeat([0.0, 0.1, 0.0, 0.2, 0.3, 0.4], 5)
    panels = list(panels_of(read_curves(_write(columns, tmp_path / "c.parquet"))))
    assert sorted("".join(p.object_id) for p in panels) == ["ac", "b", "d", "e", "f"]
    assert all(np.isfinite(p.flux).all() for p in panels)


def _kepler(path):
    """A light curve as the Kepler archive has it: 40 rows, two flagged, one without a time."""
    time = 131.5 + 0.0204 * np.arange(40)
    time[3] = np.nan
    quality = np.zeros(40, np.int32)
    quality[[5, 9]] = [128, 4]
    columns = [
        fits.Column("TIME", "D", unit="BJD - 2454833", array=time),
        fits.Column("SAP_FLUX", "E", unit="e-/s", array=np.full(40, 900.0)),
        fits.Column("SAP_FLUX_ERR", "E", unit="e-/s", array=np.full(40, 9.0)),
        fits.Column("PDCSAP_FLUX", "E", unit="e-/s", array=np.full(40, 1000.0)),
        fits.Column("PDCSAP_FLUX_ERR", "E", unit="e-/s", array=np.full(40, 2.0)),
        fits.Column("SAP_QUALITY", "J", array=quality),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="LIGHTCURVE")
    table.header.update({"BJDREFI": 2454833, "BJDREFF": 0.5, "TIMESYS": "TDB"})
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = "KIC 1"
    fits.HDUList([primary, table]).writeto(path)
    return path


def test_a_curve_of_kepler_is_one_object_in_bjd(tmp_path):
    read = read_curves(_kepler(tmp_path / "kplr1.fits"))
    assert set(read.object_id) == {"KIC 1"}
    assert len(read.time) == 37  # no time, two flags
    assert read.time[0] == pytest.approx(2454833.5 + 131.5, abs=1e-9)
    assert np.all(read.flux == 1000.0)
    assert np.all(read.flux_err == 2.0)
    assert read.time_scale == "bjd_tdb"


def test_columns_of_white_space_are_time_magnitude_and_error(tmp_path):
    path = tmp_path / "3.transit"
    path.write_text("53725.1 10.0 0.001\n53725.2 12.5 0.001\n53725.3 10.0 nan\n")
    read = read_curves(path)
    assert list(read.object_id) == ["3", "3"]
    assert read.flux[0] / read.flux[1] == pytest.approx(10.0)
    path.write_text("# time flux flux_err\n1.0 10.0 0.1\n2.0 20.0 0.1\n")
    assert list(read_curves(path).flux) == [10.0, 20.0]


def test_an_ecsv_of_lightkurve_has_no_object_and_a_time_of_astropy(tmp_path):
    table = Table({
        "time": Time(2457000.0 + np.arange(5), format="jd", scale="tdb"),
        "flux": np.arange(5) + 1.0, "flux_err": np.ones(5), "quality": [0, 0, 1, 0, 0],
    }, meta={"LABEL": "TIC 9"})  # fmt: skip
    table.write(tmp_path / "lc.ecsv")
    read = read_curves(tmp_path / "lc.ecsv")
    assert set(read.object_id) == {"TIC 9"}
    assert list(read.flux) == [1.0, 2.0, 4.0, 5.0]
    assert read.time_scale == "tdb"


def test_real_curves_of_other_programs(real_data):
    kepler = read_curves(
        real_data / "lightcurves/space_transits/kplr010666592-2009131110544_slc.fits.gz"
    )
    assert set(kepler.object_id) == {"KIC 10666592"}
    assert 2454953 < kepler.time[0] < 2454954
    assert len(read_curves(real_data / "lightcurves/vartools/3.transit").time) == 3417
