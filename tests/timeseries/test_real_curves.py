"""Real light curves with known periods; skipped where the data are not given."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

LOOK = ExamineSettings(look_at_all=True)


def _from_magnitudes(time, magnitude, error):
    flux = 10.0 ** (-0.4 * (np.asarray(magnitude) - 15.0))
    return examine_panel(np.asarray(time), flux[None], (0.921 * flux * error)[None], LOOK)


def test_vartools_example(real_data):
    time, magnitude, error = np.loadtxt(real_data / "lightcurves/vartools/3.transit").T
    result = _from_magnitudes(time, magnitude, error)
    assert result.period[0] == pytest.approx(2.12319314, rel=2e-4)
    assert abs(result.period[0] - 2.12319314) < 3 * result.period_err[0]
    assert result.depth[0] == pytest.approx(0.0128, rel=0.2)
    assert result.snr_pink[0] < result.snr_bls[0]
    assert result.crossed[0]


def test_cepheids(real_data):
    folder = real_data / "lightcurves"
    with (folder / "ogle3_lmc_cepheids_catalogue.csv").open() as file:
        wanted = {row["id"]: float(row["period_d"]) for row in list(csv.DictReader(file))[::25]}
    curves: dict[str, list] = {name: [] for name in wanted}
    with gzip.open(folder / "ogle3_lmc_cepheids.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["id"] in curves:
                curves[row["id"]].append([float(v) for v in list(row.values())[1:]])
    for name, period in wanted.items():
        result = _from_magnitudes(*np.array(curves[name]).T)
        assert result.period[0] == pytest.approx(period, rel=0.002), name
        assert result.crossed[0], name


@pytest.mark.parametrize(("name", "period"), [("cep0404", 3.7839432), ("eb", 2.204)])
def test_nightly_frames(real_data, name, period):
    path = real_data / "timeseries/ogle4_lmc531/lightcurves_measured.csv"
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row[f"{name}_mag"]]
    columns = ("hjd_mid", f"{name}_mag", f"{name}_err")
    result = _from_magnitudes(*(np.array([float(row[c]) for row in rows]) for c in columns))
    assert result.period[0] == pytest.approx(period, rel=0.002)
    assert result.crossed[0]


def test_full_period_of_a_binary_whose_minima_differ_little(real_data):
    curve = np.load(real_data / "lightcurves/kepler_eb/22.npz")
    time, flux, error = (curve[k].astype(float) for k in ("t", "flux", "err"))
    # The minima are 17.9 and 17.2 % deep.
    result = examine_panel(time, flux[None], error[None], LOOK)
    assert result.period[0] == pytest.approx(0.559159, rel=2e-4)
