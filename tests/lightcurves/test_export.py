"""Light curves as a table, from the messages of `measurements`."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from csstream.association.objects import OBJECT_BITS
from csstream.contracts.errors import FatalError
from csstream.lightcurves import export as module
from csstream.lightcurves import tables
from csstream.lightcurves.settings import LightcurvesSettings


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
    assert {name: str(read[name].unit) for name in tables.UNITS} == tables.UNITS
    assert read.meta["TIMESYS"] == "TAI"
    if ending == "fits":
        with fits.open(path) as hdus:
            assert "ICRS" in hdus["LIGHTCURVES"].header["TCOMM2"]
    else:
        assert "ICRS" in read["ra"].description


def test_parquet_has_units_and_descriptions(exported, tmp_path):
    _, export = exported
    tables.write_table(export(), tmp_path / "out.parquet")
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.schema.field("flux").metadata[b"unit"] == b"nJy"
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
