"""A catalogue on disk: what comes back, and what is refused."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from csstream.imaging.reference.catalogue import COLUMNS, ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.checks import CatalogueError
from csstream.imaging.reference.files import read_reference, write_reference
from csstream.imaging.reference.identity import numbered, sealed
from csstream.imaging.sky import sky_positions


@pytest.fixture
def catalogue() -> ReferenceCatalogue:
    rng = np.random.default_rng(3)
    x, y = rng.uniform(-10, 1500, (2, 50))
    plane = WCS(naxis=2)
    plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    plane.wcs.crval, plane.wcs.crpix = [269.21, -29.58], [700.0, 650.0]
    plane.wcs.cd = [[-2.05e-5, 1e-8], [1e-8, 2.05e-5]]
    plane = WCS(fits.Header(plane.to_header()), naxis=2)
    ra, dec = sky_positions(plane, x, y)
    flux = np.sort(rng.uniform(1.0, 100.0, 50))[::-1].copy()
    object_id, used = numbered(ra, dec, flux, None, 0.1)
    stars = ReferenceStarTable(
        object_id=object_id, ra=ra, dec=dec, x=x, y=y,
        position_err=np.full(50, 0.01), flux=flux, flux_err=np.full(50, 0.2),
        calibrator=flux > 50.0, neighbour_id=np.roll(object_id, 1),
        neighbour_share=rng.uniform(0.0, 1.0, 50), n_frames=np.full(50, 3, np.int32),
        flags=np.zeros(50, np.int32),
    )  # fmt: skip
    return sealed(
        ReferenceCatalogue(
            version="", instrument="csst-i", band="i", zero_point=25.91, fwhm=2.05, wcs=plane,
            stars=stars, used=used, frames=3,
        )
    )  # fmt: skip


def test_what_is_written_is_read(tmp_path, catalogue):
    write_reference(tmp_path / "list.parquet", catalogue)
    back = read_reference(tmp_path / "list.parquet")
    for name in COLUMNS:
        assert np.array_equal(getattr(back.stars, name), getattr(catalogue.stars, name))
        assert getattr(back.stars, name).dtype == getattr(catalogue.stars, name).dtype
    assert (back.version, back.zero_point, back.frames) == (catalogue.version, 25.91, 3)
    assert np.array_equal(back.used, catalogue.used)
    assert np.allclose(sky_positions(back.wcs, 3.0, 4.0), sky_positions(catalogue.wcs, 3.0, 4.0))


def test_a_second_write_gives_the_same_bytes(tmp_path, catalogue):
    for name in ("a.parquet", "b.parquet"):
        write_reference(tmp_path / name, catalogue)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize("ending", [".ecsv", ".fits"])
def test_other_tools_read_it_with_units(tmp_path, catalogue, ending):
    path = tmp_path / f"list{ending}"
    write_reference(path, catalogue)
    table = Table.read(path, hdu=1) if ending == ".fits" else Table.read(path)
    assert np.array_equal(np.asarray(table["object_id"]), catalogue.stars.object_id)
    assert (table["ra"].unit, table["x"].unit) == (u.deg, u.pix)
    rate = u.ct / u.s if ending == ".fits" else u.electron / u.s
    assert table["flux"].unit == rate
    assert table["mag"][0] == pytest.approx(25.91 - 2.5 * np.log10(catalogue.stars.flux[0]))
    said = {str(key).lower(): value for key, value in table.meta.items()}
    assert said["version"] == catalogue.version


def test_an_unknown_ending_is_refused(tmp_path, catalogue):
    with pytest.raises(ValueError, match=r"must end in \.parquet"):
        write_reference(tmp_path / "list.txt", catalogue)


def refused(path) -> CatalogueError:
    with pytest.raises(CatalogueError) as caught:
        read_reference(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_what_is_no_list_is_refused(tmp_path):
    path = tmp_path / "list.parquet"
    assert refused(path).reason == "missing_file"
    for content in (b"", b"PAR1", b"not parquet at all" * 100, b"PAR1" + b"\xff" * 99 + b"PAR1"):
        path.write_bytes(content)
        assert refused(path).reason == "not_parquet"
    parquet.write_table(pyarrow.table({"ra": [1.0]}), path)
    assert refused(path).reason == "bad_column"


def test_damage_is_noticed(tmp_path, catalogue):
    path = tmp_path / "list.parquet"
    write_reference(path, catalogue)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(whole)
        place = int(rng.integers(len(whole)))
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with contextlib.suppress(CatalogueError):
            assert read_reference(path).version == catalogue.version


def rewritten(path, catalogue, change):
    """Write a catalogue, and change its table or metadata."""
    write_reference(path, catalogue)
    table = parquet.read_table(path)
    parquet.write_table(change(table), path)
    return path


def with_column(table, name, values):
    place = table.schema.names.index(name)
    return table.set_column(place, table.schema.field(name), pyarrow.array(values))


@pytest.mark.parametrize(
    ("name", "row", "value", "says"),
    [
        ("ra", 4, np.nan, "ra of row 4 is not finite"),
        ("flux", 2, -1.0, "flux of row 2 is not positive"),
        ("flux", 0, 1e30, "absurd"),
        ("x", 7, 1e9, "far off"),
        ("ra", 3, 12.0, "another sky cell"),
        ("object_id", 1, 5, "another sky cell"),
        ("object_id", 1, 0, "bad number"),
        ("neighbour_id", 9, 77, "not in the list"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path, catalogue, name, row, value, says):
    values = getattr(catalogue.stars, name).copy()
    values[row] = value
    path = rewritten(
        tmp_path / "list.parquet", catalogue, lambda table: with_column(table, name, values)
    )
    error = refused(path)
    assert error.reason == "bad_value"
    assert says in str(error)


def test_a_star_is_listed_once(tmp_path, catalogue):
    stars = catalogue.stars.select(np.array([0, 1, 1]))
    stars = replace(stars, neighbour_id=np.zeros(3, np.int64))
    write_reference(tmp_path / "list.parquet", sealed(replace(catalogue, stars=stars)))
    assert "there twice" in str(refused(tmp_path / "list.parquet"))


def test_a_changed_list_has_another_version(tmp_path, catalogue):
    values = catalogue.stars.flux * 1.0001
    path = rewritten(
        tmp_path / "list.parquet", catalogue, lambda table: with_column(table, "flux", values)
    )
    assert refused(path).reason == "wrong_version"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "csstream-reference-0"}, "not_a_reference"),
        ({"zero_point": "high"}, "bad_value"),
        ({"zero_point": float("nan")}, "bad_value"),
        ({"used": [[1, 2, 3]]}, "bad_value"),
        ({"used": [[1e300, 2]]}, "bad_value"),
        ({"frames": 4}, "wrong_version"),
        ({"family": "0123456789abcdef"}, "wrong_version"),
        ({"family": ""}, "bad_value"),
        ({"wcs": "CTYPE1  = 'RA---SIN'"}, "bad_plane"),
        ({"wcs": "nonsense" * 50}, "bad_plane"),
        ({"wcs": "CTYPE1  = 'RA---TAB'".ljust(80) + "PV1_3   = 1E9".ljust(80)}, "bad_plane"),
        ({"wcs": "CTYPE1  = 'RA---TAN-SIP'".ljust(80) + "A_ORDER = 99999"}, "bad_plane"),
    ],
)
def test_bad_metadata_is_refused(tmp_path, catalogue, change, reason):
    def changed(table):
        meta = dict(table.schema.metadata)
        if "wcs" in change:
            meta[b"wcs"] = change["wcs"].encode()
        else:
            meta[b"csstream"] = json.dumps(json.loads(meta[b"csstream"]) | change).encode()
        return table.replace_schema_metadata(meta)

    assert refused(rewritten(tmp_path / "list.parquet", catalogue, changed)).reason == reason


def test_a_list_too_long_is_refused_unread(tmp_path, catalogue, monkeypatch):
    from csstream.imaging.reference import files

    write_reference(tmp_path / "list.parquet", catalogue)
    monkeypatch.setattr(files, "MAX_STARS", 49)
    assert refused(tmp_path / "list.parquet").reason == "too_large"
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    assert refused(tmp_path / "list.parquet").reason == "too_large"
