"""``csstream detect``: formats, units, plot, messages."""

import sys

import numpy as np
import pyarrow.parquet
import pytest
import typer
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

from csstream.cli.detect import command
from csstream.imaging.psf.profiles import moffat_psf

app = typer.Typer()
app.command()(command)
COLUMNS = [
    *("ra", "dec", "x", "y", "x_err", "y_err", "flux", "flux_err", "mag", "mag_err"),
    *("probability", "flags"),
]


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    rng = np.random.default_rng(1)
    psf = moffat_psf(3.0, 3.0, 2, 40)
    image = np.full((160, 160), 300.0)
    x, y = rng.uniform(5, 155, (2, 60))
    psf.render(image, x, y, 10 ** rng.uniform(3.8, 5.3, 60), 40)
    header = fits.Header(
        {
            "INSTRUME": "32-MOSAIC", "CHIPNO": 4, "FILTER": "I", "EXPTIME": 150.0, "GAIN": 1.8,
            "DATE-OBS": "2012-01-01T01:00:00", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
            "CRVAL1": 70.0, "CRVAL2": -69.0, "CRPIX1": 80.0, "CRPIX2": 80.0,
            "CDELT1": -7e-5, "CDELT2": 7e-5,
        }
    )  # fmt: skip
    path = tmp_path_factory.mktemp("detect") / "frame.fits"
    counts = np.rint(rng.poisson(image) / 1.8).astype(np.int32)
    fits.PrimaryHDU(counts, header).writeto(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def read(path):
    """The table with its units, whatever the format."""
    if path.suffix != ".parquet":
        return Table.read(path)
    stored = pyarrow.parquet.read_table(path)
    table = Table({name: stored[name].to_numpy() for name in stored.column_names})
    for name in table.colnames:
        table[name].unit = stored.schema.field(name).metadata[b"unit"].decode() or None
    return table


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
def test_catalogue_has_the_columns_with_units(frame, tmp_path, ending):
    output = tmp_path / f"stars.{ending}"
    result = run(frame, "-o", output)
    assert result.exit_code == 0, result.output
    assert "no PNet weights for instrument ogle4-i" in result.output
    table = read(output)
    assert table.colnames == COLUMNS
    assert len(table) > 40
    assert table["ra"].unit == u.deg
    assert table["x"].unit == u.pix
    counted = u.ct if ending == "fits" else u.electron  # FITS knows no electrons
    assert table["flux"].unit == counted / u.s
    assert table["mag_err"].unit == u.mag
    assert np.all(np.abs(table["ra"] - 70.0) < 0.05)
    assert table["flags"].dtype.newbyteorder("=") == np.int32


def test_plot_is_a_png(frame, tmp_path):
    plot = tmp_path / "stars.png"
    result = run(frame, "-o", tmp_path / "s.ecsv", "--plot", plot, "--method", "classical")
    assert result.exit_code == 0, result.output
    assert "no PNet weights" not in result.output
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "x.txt"], ".ecsv"),
        (["-o", "x.ecsv", "--method", "magic"], "magic"),
        (["-o", "x.ecsv", "--provider", "tpu"], "tpu"),
        (["-o", "x.ecsv", "--instrument", "nowhere.toml"], "nowhere.toml"),
        (["-o", "x.ecsv", "--method", "pnet"], "no PNet weights"),
    ],
)
def test_mistakes_are_said_without_traceback(frame, arguments, words):
    result = run(frame, *arguments)
    assert result.exit_code != 0
    assert words in " ".join(result.output.split())
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_an_unknown_camera_asks_for_an_instrument(tmp_path):
    path = tmp_path / "f.fits"
    header = fits.Header({"INSTRUME": "Unheard"})
    fits.PrimaryHDU(np.zeros((20, 20), np.float32), header).writeto(path)
    result = run(path, "-o", tmp_path / "o.ecsv")
    assert result.exit_code == 1
    assert "Unheard" in result.output
    assert "--instrument" in result.output


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "f.fits"
    path.write_bytes(b"no fits at all")
    result = run(path, "-o", tmp_path / "o.ecsv", "--instrument", "ogle4-i")
    assert result.exit_code == 1
    assert "f.fits" in result.output


def test_torch_is_not_needed(frame, tmp_path):
    assert run(frame, "-o", tmp_path / "o.ecsv").exit_code == 0
    assert "torch" not in sys.modules
