"""Light curves as a table, from the messages of `measurements`."""

from __future__ import annotations

import csv
from io import BytesIO

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.io import fits, votable
from astropy.table import Table
from astropy.table.meta import get_header_from_yaml
from astropy.time import Time
from astropy.timeseries import TimeSeries

from csstream.association.objects import OBJECT_BITS
from csstream.contracts.errors import FatalError
from csstream.lightcurves import export as module
from csstream.lightcurves import tables
from csstream.lightcurves.settings import LightcurvesSettings
from csstream.timeseries.tables import read_curves

UNITS = {
    "object_id": "", "ra": "deg", "dec": "deg", "mjd_mid_tai": "d", "bjd_tdb": "d",
    "flux": "nJy", "flux_err": "nJy", "mag": "mag", "band": "", "visit": "", "detector": "",
    "flags": "",
}  # fmt: skip


@pytest.fixture
def exported(make_field, to_message, monkeypatch):
    """A function that exports a field's topic as `export` would read it."""
    field = make_field(stars=12, partitions=4, seed=1, spurious=1)
    records = field.run(8)
    messages = [to_message(p, record, i) for i, (p, record) in enumerate(records)]
    messages.insert(9, messages[5]._replace(value=b"garbage"))

    def read(consumer, topic, partition, **_):
        return iter([message for message in messages if message.partition == partition])

    class Consumer:
        def close(self) -> None:
            pass

    monkeypatch.setattr(module, "read_partition", read)
    monkeypatch.setattr(module, "make_consumer", lambda *_: Consumer())
    settings = LightcurvesSettings(confirm_sources=2)
    return field, lambda **options: module.export(settings, **options)


def test_every_star_is_there_with_its_points_in_order(exported):
    field, export = exported
    table = export(min_epochs=4)
    ids, counts = np.unique(table["object_id"], return_counts=True)
    assert len(ids) == field.stars
    assert counts.max() <= 8
    for object_id in ids:
        mine = table["object_id"] == object_id
        assert np.all(np.diff(table["mjd_mid_tai"][mine]) > 0)
    distance = np.hypot(table["ra"][:, None] - field.ra, table["dec"][:, None] - field.dec)
    expected = field.flux[distance.argmin(axis=1)] * 10 ** (0.4 * 6.4)
    np.testing.assert_allclose(table["flux"], expected, rtol=0.06)
    np.testing.assert_allclose(table["mag"], 31.4 - 2.5 * np.log10(table["flux"]), atol=1e-4)


def test_one_cell_or_object_gives_the_same_rows(exported):
    _, export = exported
    whole = export()
    object_id = int(whole["object_id"][0])
    cell = object_id >> OBJECT_BITS
    part = export(cell=cell)
    mine = whole["object_id"] >> OBJECT_BITS == cell
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name][mine])
    assert set(export(object_id=object_id)["object_id"]) == {object_id}


def test_few_points_are_left_out(exported):
    _, export = exported
    _, counts = np.unique(export(min_epochs=8)["object_id"], return_counts=True)
    assert set(counts) == {8}


@pytest.mark.parametrize("options", [{"cell": 5}, {"object_id": (5 << OBJECT_BITS) + 1}])
def test_what_is_not_there_is_named(exported, options):
    _, export = exported
    with pytest.raises(FatalError, match="no such cell"):
        export(**options)


def test_an_object_that_is_not_there_is_named(exported):
    _, export = exported
    cell = int(export()["object_id"][0]) >> OBJECT_BITS
    with pytest.raises(FatalError, match="is not known"):
        export(object_id=(cell << OBJECT_BITS) + 9999)


@pytest.mark.parametrize("ending", ["parquet", "fits", "ecsv", "csv"])
def test_every_kind_of_file_keeps_values_types_and_order(exported, tmp_path, ending):
    _, export = exported
    table = export()
    path = tmp_path / f"out.{ending}"
    tables.write_table(table, path)
    read = tables.read_table(path)
    assert list(read) == list(table)
    for name, column in table.items():
        assert read[name].dtype.kind == column.dtype.kind or column.dtype.kind in "UO"
        np.testing.assert_array_equal(read[name], column)


@pytest.mark.parametrize("ending", ["fits", "ecsv", "csv"])
def test_astropy_sees_units_scales_and_descriptions(exported, tmp_path, ending):
    _, export = exported
    path = tmp_path / f"out.{ending}"
    tables.write_table(export(), path)
    read = Table.read(path, format="fits" if ending == "fits" else "ascii.ecsv")
    assert {name: str(read[name].unit or "") for name in read.colnames} == UNITS
    assert read.meta["TIMESYS"] == "TAI"
    if ending == "fits":
        with fits.open(path) as hdus:
            assert "ICRS" in hdus["LIGHTCURVES"].header["TCOMM2"]
            assert hdus["LIGHTCURVES"].header["TUCD2"] == "pos.eq.ra;meta.main"
    else:
        assert "ICRS" in read["ra"].description
        assert read["ra"].meta["ucd"] == "pos.eq.ra;meta.main"


@pytest.mark.parametrize("ending", ["fits", "ecsv", "csv"])
def test_astropy_makes_a_time_series_of_the_barycentric_times(exported, tmp_path, ending):
    _, export = exported
    path = tmp_path / f"out.{ending}"
    tables.write_table(export(), path)
    read = Table.read(path, format="fits" if ending == "fits" else "ascii.ecsv")
    series = TimeSeries(
        time=Time(read["bjd_tdb"], format="jd", scale="tdb"), data={"flux": read["flux"]}
    )
    # astropy's own way from the telescope's clock to the barycentre
    place = SkyCoord(read["ra"], read["dec"], unit="deg")
    geocentre = EarthLocation.from_geocentric(0.0, 0.0, 0.0, unit="m")
    clock = Time(read["mjd_mid_tai"], format="mjd", scale="tai", location=geocentre)
    expected = clock.tdb + clock.light_travel_time(place, "barycentric", ephemeris="builtin")
    assert np.abs((series.time - expected).sec).max() < 0.1


@pytest.mark.parametrize("ending", ["fits", "ecsv", "csv", "parquet"])
def test_csstream_examine_reads_what_was_exported(exported, tmp_path, ending):
    _, export = exported
    table, path = export(), tmp_path / f"out.{ending}"
    tables.write_table(table, path)
    read = read_curves(path, "bjd_tdb", None)
    np.testing.assert_array_equal(np.sort(read.time), np.sort(table["bjd_tdb"]))


def test_what_the_virtual_observatory_reads_of_parquet(exported, tmp_path):
    """A VOTable without data in the footer: Parquet in the VO, version 1.0."""
    _, export = exported
    tables.write_table(export(), tmp_path / "out.parquet")
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.schema.metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    content = read.schema.metadata[b"IVOA.VOTable-Parquet.content"]
    described = votable.parse(BytesIO(content), verify="exception")
    fields = described.get_first_table().fields
    assert [field.name for field in fields] == read.column_names
    assert {field.name: str(field.unit or "") for field in fields} == UNITS
    scales = {each.ID: each.timescale for each in described.resources[0].time_systems}
    by_name = {field.name: field for field in fields}
    assert scales[by_name["bjd_tdb"].ref] == "TDB"
    assert scales[by_name["mjd_mid_tai"].ref] == "TAI"
    assert by_name["flux"].ucd == "phot.flux.density"
    assert b"<DATA" not in content


def test_parquet_has_units_and_descriptions(exported, tmp_path):
    _, export = exported
    tables.write_table(export(), tmp_path / "out.parquet")
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.schema.field("flux").metadata[b"unit"] == b"nJy"
    header = get_header_from_yaml(read.schema.metadata[b"table_meta_yaml"].decode().split("\n"))
    astropys = {column["name"]: str(column.get("unit", "")) for column in header["datatype"]}
    assert astropys == UNITS  # what astropy reads, where pandas is installed
    assert b"ICRS" in read.schema.field("ra").metadata[b"description"]
    assert read.schema.metadata[b"TIMESYS"] == b"TAI"


def test_a_plain_reader_takes_the_csv(exported, tmp_path):
    _, export = exported
    table = export()
    tables.write_table(table, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert [int(row["object_id"]) for row in rows] == table["object_id"].tolist()
    np.testing.assert_array_equal([np.float32(row["flux"]) for row in rows], table["flux"])


def test_another_ending_or_folder_is_refused(exported, tmp_path):
    _, export = exported
    with pytest.raises(FatalError, match=r"\.parquet, \.ecsv, \.fits, \.csv"):
        tables.check_ending(tmp_path / "out.xlsx")
    with pytest.raises(FatalError, match="cannot be written"):
        tables.write_table(export(), tmp_path / "no" / "such.parquet")
    (tmp_path / "broken.fits").write_bytes(b"no table")
    with pytest.raises(FatalError, match="cannot be read"):
        tables.read_table(tmp_path / "broken.fits")
