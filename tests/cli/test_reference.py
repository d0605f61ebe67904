"""``csstream reference``: build, show, match, and what they say when something is wrong."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

from csstream.cli.main import COMMANDS
from csstream.cli.reference import app
from csstream.imaging.psf.profiles import moffat_psf
from csstream.imaging.reference.files import read_reference
from csstream.timeseries.tables import read_curves


def frame_file(path, stars, shift, seed):
    """One exposure of 160 pixels, written as an OGLE frame with a WCS."""
    rng = np.random.default_rng(seed)
    x, y, electrons = stars
    image = np.full((160, 160), 300.0)
    moffat_psf(3.0, 3.0, 2, 40).render(image, x + shift, y - shift, electrons, 40)
    header = fits.Header(
        {
            "INSTRUME": "32-MOSAIC", "CHIPNO": 4, "FILTER": "I", "EXPTIME": 150.0, "GAIN": 1.8,
            "DATE-OBS": "2012-01-01T01:00:00", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
            "CRVAL1": 70.0, "CRVAL2": -69.0, "CRPIX1": 80.0 + shift, "CRPIX2": 80.0 - shift,
            "CDELT1": -7e-5, "CDELT2": 7e-5,
        }
    )  # fmt: skip
    counts = np.rint(rng.poisson(image) / 1.8).astype(np.int32)
    fits.PrimaryHDU(counts, header).writeto(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three frames of one field, and the list that is made of two of them."""
    folder = tmp_path_factory.mktemp("reference")
    rng = np.random.default_rng(1)
    x, y = rng.uniform(5, 155, (2, 60))
    stars = (x, y, 10 ** rng.uniform(3.6, 5.3, 60))
    paths = [frame_file(folder / f"{k}.fits", stars, 1.3 * k, k) for k in range(3)]
    result = run("build", *paths[:2], "-o", folder / "list.parquet", "-o", folder / "list.ecsv")
    assert result.exit_code == 0, result.output
    (folder / "said.txt").write_text(result.output)
    return folder


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_it_is_a_command_and_teaches():
    assert "reference" in COMMANDS
    assert "Example:  csstream reference build frames/*.fits" in run("build", "--help").output
    for name in ("build", "show", "match"):
        assert run(name, "--help").exit_code == 0


def test_build_writes_the_list_and_says_what_it_holds(folder):
    found = read_reference(folder / "list.parquet")
    assert (found.instrument, found.band, found.frames) == ("ogle4-i", "I", 2)
    assert len(found.stars) > 45
    assert found.stars.calibrator.sum() > 10
    said = (folder / "said.txt").read_text()
    assert f"reference {found.version}: {len(found.stars)} stars of ogle4-i" in said
    table = Table.read(folder / "list.ecsv")
    assert table.meta["version"] == found.version
    assert np.array_equal(table["object_id"], found.stars.object_id)


def test_show_prints_and_draws(folder, tmp_path):
    plot, export = tmp_path / "list.png", tmp_path / "list.fits"
    result = run("show", folder / "list.parquet", "--plot", plot, "--export", export)
    assert result.exit_code == 0
    assert (folder / "said.txt").read_text().endswith(result.output)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert len(Table.read(export, hdu=1)) == len(read_reference(folder / "list.parquet").stars)


def test_a_rebuilt_list_keeps_ids_and_tells_what_became_of_each(folder, tmp_path):
    frames = [folder / f"{k}.fits" for k in range(3)]
    result = run(
        "build", *frames, "-o", tmp_path / "new.parquet", "--previous", folder / "list.parquet"
    )
    assert result.exit_code == 0, result.output
    old, new = read_reference(folder / "list.parquet"), read_reference(tmp_path / "new.parquet")
    assert new.version != old.version
    table = Table.read(tmp_path / "new-match.ecsv")
    same = table["status"] == "same"
    assert np.count_nonzero(same) > 45
    assert np.all(table["old_id"][same] == table["new_id"][same])
    assert not np.any(table["status"] == "renamed")
    assert set(new.stars.object_id) == set(table["new_id"]) - {0}
    again = run(
        "match", folder / "list.parquet", tmp_path / "new.parquet", "-o", tmp_path / "m.csv"
    )
    assert again.output.split(";")[0] == result.output.splitlines()[-1].split(";")[0]


def test_measure_makes_light_curves_that_examine_reads(folder, tmp_path):
    output = tmp_path / "curves.parquet"
    frames = [folder / f"{k}.fits" for k in range(3)]
    result = run("measure", folder / "list.parquet", *frames, "-o", output)
    assert result.exit_code == 0, result.output
    curves = read_curves(output)
    listed = read_reference(folder / "list.parquet").stars
    assert set(curves.object_id) <= set(listed.object_id)
    strong = listed.object_id[listed.flux > 100.0 * listed.flux_err]
    own = np.isin(curves.object_id, strong)
    ids, first = np.unique(curves.object_id[own], return_inverse=True)
    mean = np.bincount(first, curves.flux[own]) / np.bincount(first)
    at = np.searchsorted(np.sort(listed.object_id), ids)
    flux = listed.flux[np.argsort(listed.object_id)][at]
    assert 1.4826 * np.median(np.abs(mean / flux - 1.0)) < 0.01


def test_a_frame_that_cannot_be_used_is_named(folder, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"SIMPLE  = nothing")
    result = run("build", broken, folder / "0.fits", "-o", tmp_path / "one.parquet")
    assert result.exit_code == 0, result.output
    assert "broken.fits is left out" in result.output
    assert read_reference(tmp_path / "one.parquet").frames == 1


def test_no_usable_frame_is_an_error(folder, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"nothing")
    result = run("build", broken, "--instrument", "ogle4-i", "-o", tmp_path / "none.parquet")
    assert result.exit_code == 1
    assert "broken.fits is left out" in result.output
    assert "none of the 1 frames can be used" in result.output
    assert not (tmp_path / "none.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("build", "0.fits", "-o", "list.txt"), "must end in"),
        (("build", "0.fits", "-o", "a.parquet", "--method", "magic"), "not auto"),
        (("build", "0.fits", "-o", "a.parquet", "--previous", "0.fits"), "not a Parquet file"),
        (("show", "0.fits"), "not a Parquet file"),
        (("show", "nowhere.parquet"), "there is no such file"),
        (("match", "list.parquet", "0.fits", "-o", "m.csv"), "not a Parquet file"),
        (("match", "list.parquet", "list.parquet", "-o", "m.txt"), "must end in"),
    ],
)
def test_errors_name_the_input(folder, arguments, says):
    paths = [folder / each if "." in each else each for each in arguments]
    result = run(*paths)
    assert result.exit_code != 0
    assert says in " ".join(result.output.replace("│", " ").split())
