"""Real light curves with known periods; skipped where the data are not given."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from csstream.timeseries import significance
from csstream.timeseries.box_search import Boxes, box_panel
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.folding import event_points
from csstream.timeseries.settings import ExamineSettings
from csstream.timeseries.trapezoid import shape

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


def test_vartools_published_spectrum(real_data):
    """What VARTOOLS' own tests print for ``-BLS q 0.01 0.1 0.1 20.0 100000 200 … nobinnedrms``.

    Its spectrum is ours with its 200 bins and all widths from 2 to 21 of them.
    """
    time, magnitude, error = np.loadtxt(real_data / "lightcurves/vartools/3.transit").T
    weight = error**-2.0
    frequencies = np.linspace(0.05, 10.0, 100_000)
    boxes = Boxes(np.full(100_000, 1 / 200), tuple(range(2, 22)), (1,) * 20)
    least = 0.01 * len(time)
    flux = -magnitude[None]
    spectrum = box_panel(time - time[0], flux, weight[None], frequencies, boxes, least)[0]
    peak = int(np.argmax(spectrum))
    assert 1.0 / frequencies[peak] == pytest.approx(2.12319314, abs=5e-9)
    assert spectrum[peak] ** 2 * weight.sum() == pytest.approx(24208.38967, rel=1e-6)
    assert significance.sde(spectrum[None])[0] == pytest.approx(6.31221, abs=5e-5)
    assert _signal_to_noise(spectrum.astype(float)) == pytest.approx(7.21628, abs=5e-5)


def _signal_to_noise(spectrum):
    """VARTOOLS' SN: as SDE, without points 3 sigma high, whose number it still divides by."""
    kept = spectrum[spectrum - spectrum.mean() < 3.0 * spectrum.std()]
    mean, square = kept.sum() / len(spectrum), np.sum(kept**2) / len(spectrum)
    return (spectrum.max() - mean) / np.sqrt(square - mean**2)


def test_vartools_pink_noise(real_data):
    """Signal-to-pink-noise of the transit that VARTOOLS publishes, by its definition.

    White noise is the rms of the residuals without weights, red noise what weighted means over two
    durations around each point have beyond it, and all events count alike: 14.91. Ours weighs
    points and events (Pont et al. 2006): 14.1.
    """
    time, magnitude, error = np.loadtxt(real_data / "lightcurves/vartools/3.transit").T
    period, middle, duration, ingress, depth = 2.12319314, 53727.2976097, 0.04041, 0.26351, 0.01225
    duration *= period
    dip = shape(time, period, middle, duration, 2.0 * ingress)
    white, red = _vartools_noise(time, magnitude - depth * dip, error, duration)
    assert (white, red) == pytest.approx((0.00489, 0.00147), abs=5e-6)
    _, counts = event_points(time, period, middle, duration)
    pink = depth / np.sqrt(white**2 / counts.sum() + red**2 / len(counts))
    assert pink == pytest.approx(14.91256, abs=0.01)  # its depth is printed to 5 decimals
    assert significance.snr_pink(depth, counts, white, red) == pytest.approx(14.1, abs=0.1)


def _vartools_noise(time, residual, error, duration):
    first = np.searchsorted(time, time - duration, side="left")
    end = np.searchsorted(time, time + duration, side="right")

    def total(values):
        running = np.append(0.0, np.cumsum(values))
        return running[end] - running[first]

    mean = total(residual / error**2) / total(error**-2)
    stated = np.sqrt(np.mean(total(error**2) / (end - first) ** 2) / np.mean(error**2))
    white = residual.std()
    return white, np.sqrt(mean.std() ** 2 - (white * stated) ** 2)


@pytest.mark.parametrize("part", range(6))
def test_cepheids(real_data, part):
    folder = real_data / "lightcurves"
    with (folder / "ogle3_lmc_cepheids_catalogue.csv").open() as file:
        rows = list(csv.DictReader(file))[part::6]
    wanted = {row["id"]: float(row["period_d"]) for row in rows}
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
