"""``csstream examine`` from table to table."""

from __future__ import annotations

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from csstream.cli.main import app
from csstream.simulation.variables.curves import pulsator
from csstream.timeseries.barycentre import bjd_tdb


def _examine(*arguments):
    return CliRunner().invoke(app, ["examine", *map(str, arguments)])


@pytest.fixture
def curves(tmp_path):
    """Two stars at different epochs: a pulsator of 0.61 d and a constant one."""
    rng = np.random.default_rng(4)
    parts = []
    for number in (7, 3):
        time = np.sort(rng.uniform(0, 6, 150))
        flux = pulsator(time, 0.61, 0.2, amplitude=0.5, rise=0.2) if number == 7 else np.ones(150)
        flux = flux + rng.normal(0, 0.01, 150)
        parts.append(pyarrow.table({
            "object_id": np.full(150, number), "bjd": time,
            "flux": flux, "flux_err": np.full(150, 0.01),
        }))  # fmt: skip
    path = tmp_path / "curves.csv"
    pyarrow.csv.write_csv(pyarrow.concat_tables(parts), path)
    return path


def test_times_are_brought_to_the_barycentre_where_places_are_known(curves, tmp_path):
    table = pyarrow.csv.read_csv(curves).rename_columns(
        ["object_id", "mjd_mid_tai", "flux", "flux_err"]
    )
    for name, value in (("ra", 269.2), ("dec", -29.5)):
        table = table.append_column(name, pyarrow.array(np.full(len(table), value)))
    placed = tmp_path / "placed.csv"
    pyarrow.csv.write_csv(table, placed)
    results = {}
    for scale in ("", "tai"):
        out = tmp_path / f"out{scale}.ecsv"
        options = ["--time-scale", scale] if scale else []
        assert _examine(placed, "-o", out, "--classifier", "rules", *options).exit_code == 0
        results[scale] = Table.read(out)
    assert (results[""].meta["time_scale"], results["tai"].meta["time_scale"]) == ("bjd_tdb", "tai")
    late = results[""]["t0"][0] - bjd_tdb(results["tai"]["t0"][0], 269.2, -29.5)
    cycles = late / results[""]["period"][0]
    assert abs(cycles - round(cycles)) < 0.01


@pytest.mark.parametrize("ending", ["ecsv", "fits"])
def test_one_row_per_object_with_units(curves, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    done = _examine(curves, "-o", out, "--time-column", "bjd", "--time-scale", "bjd_tdb")
    assert done.exit_code == 0, done.output
    table = Table.read(out)
    assert list(table["object_id"]) == [7, 3]
    assert table["period"][0] == pytest.approx(0.61, rel=0.005)
    for name in ("period", "period_err", "t0", "t0_err", "duration", "duration_err"):
        assert table[name].unit == "d"
    chances = sum(table[f"p_{kind}"] for kind in ("none", "transit", "eclipsing", "pulsating"))
    assert np.allclose(chances, 1.0)
    assert "bjd_tdb" in table.meta.values()
    assert list(table["crossed"]) == [True, False]


def test_a_curve_of_another_program(tmp_path):
    rng = np.random.default_rng(5)
    time = 2457000.0 + np.sort(rng.uniform(0, 6, 150))
    magnitude = 12.0 - 2.5 * np.log10(pulsator(time, 0.61, 0.2, amplitude=0.5, rise=0.2))
    path = tmp_path / "star.lc"
    np.savetxt(path, np.stack([time, magnitude, np.full(150, 0.01)], axis=1))
    out = tmp_path / "out.ecsv"
    done = _examine(path, "-o", out, "--classifier", "rules", "--time-scale", "bjd_tdb")
    assert done.exit_code == 0, done.output
    table = Table.read(out)
    assert list(table["object_id"]) == ["star"]
    assert table["period"][0] == pytest.approx(0.61, rel=0.005)


def test_rules_instead_of_the_network(curves, tmp_path):
    out = tmp_path / "out.csv"
    arguments = (curves, "-o", out, "--time-column", "bjd", "--classifier", "rules")
    assert _examine(*arguments, "--alerts-only").exit_code == 0
    rows = pyarrow.csv.read_csv(out).to_pylist()
    assert [(row["object_id"], row["kind"]) for row in rows] == [(7, "pulsating")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no column 'mjd_mid_tai'"),
        (("--classifier", "nothing"), "no network 'nothing'"),
        (("--time-column", "flux_err", "--band", "i"), ""),
    ],
)
def test_errors_name_what_is_wrong(curves, tmp_path, arguments, words):
    done = _examine(curves, "-o", tmp_path / "out.csv", *arguments)
    assert (done.exit_code != 0) == bool(words)
    assert words in done.output


def test_ending_of_the_result_is_checked_first(curves, tmp_path):
    done = _examine(curves, "-o", tmp_path / "out.txt", "--time-column", "bjd")
    assert done.exit_code == 1
    assert "must end in" in done.output


def _spoilt(columns, spoil):
    """Columns with the rows of object 3 spoilt; those of object 7 come first and stay."""
    bad = np.flatnonzero(columns["object_id"] == 3)
    columns = {name: values.copy() for name, values in columns.items()}
    match spoil:
        case "one epoch":
            return {name: np.delete(values, bad[1:]) for name, values in columns.items()}
        case "all times equal":
            columns["bjd"][bad] = 2.5
        case "duplicates":
            return {name: np.append(values, values[bad]) for name, values in columns.items()}
        case "unsorted":
            order = np.random.default_rng(1).permutation(len(columns["bjd"]))
            return {name: values[order] for name, values in columns.items()}
        case (name, value):
            columns[name][bad[::9]] = value
    return columns


@pytest.mark.parametrize(
    "spoil",
    [
        ("flux", np.nan), ("flux", np.inf), ("flux", 1e30), ("flux", -1e300), ("flux_err", np.nan),
        ("flux_err", 0.0), ("flux_err", -1.0), ("flux_err", 1e-200), ("bjd", np.nan),
        "one epoch", "all times equal", "duplicates", "unsorted",
    ],
)  # fmt: skip
def test_spoilt_rows_of_one_object_leave_the_other_as_it_was(curves, tmp_path, spoil):
    table = pyarrow.csv.read_csv(curves)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    results = []
    for name, content in (("good", columns), ("spoilt", _spoilt(columns, spoil))):
        path, out = tmp_path / f"{name}.parquet", tmp_path / f"{name}-out.ecsv"
        pyarrow.parquet.write_table(pyarrow.table(content), path)
        done = _examine(path, "-o", out, "--time-column", "bjd", "--classifier", "rules")
        assert done.exit_code == 0, done.output
        rows = Table.read(out)
        results.append({row["object_id"]: row for row in rows})
    good, spoilt = results
    assert spoilt[7]["period"] == pytest.approx(good[7]["period"], rel=1e-6)
    assert spoilt[7]["fap"] == pytest.approx(good[7]["fap"], rel=1e-3)
    assert not spoilt[3]["crossed"]


@pytest.mark.parametrize(("column", "value"), [("flux", np.nan), ("flux_err", 0.0)])
def test_a_table_without_a_usable_row_is_named(curves, tmp_path, column, value):
    table = pyarrow.csv.read_csv(curves)
    columns = {name: table[name].to_numpy().copy() for name in table.column_names}
    columns[column][:] = value
    path = tmp_path / "none.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    done = _examine(path, "-o", tmp_path / "out.csv", "--time-column", "bjd")
    assert done.exit_code == 1
    assert "no row has a time, a flux and an error" in done.output
