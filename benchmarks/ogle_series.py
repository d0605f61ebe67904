"""A real series with a reference catalogue: how still the constant stars stand, what is found.

98 nightly OGLE-IV frames of a field in the LMC, without WCS, FWHM 3.6 to 7.4 pixels, dark to
twilight; a Cepheid (3.784 d) and an eclipsing binary (2.204 d) are in it. Make the list and its
light curves, then look at them:

    csstream reference build  $CSSTREAM_DATA/timeseries/ogle4_lmc531/frames/*.fz --most 20 \
        -o list.parquet
    csstream reference measure list.parquet $CSSTREAM_DATA/timeseries/ogle4_lmc531/frames/*.fz \
        -o curves.parquet
    python benchmarks/ogle_series.py list.parquet curves.parquet [--plot series.png]
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from astropy.table import Table

from csstream.imaging.frames.flags import UNRELIABLE
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.files import read_reference
from csstream.imaging.reference.summary import magnitudes_of
from csstream.imaging.registration import register
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

FIELD = "timeseries/ogle4_lmc531"
KNOWN = {"Cepheid": (269.17, 236.84, 3.7839432), "eclipsing binary": (371.11, 49.21, 2.204)}
SEEN = 0.8  # of the frames that must show a star, to be judged


@dataclass(frozen=True, eq=False)
class Series:
    """All listed stars (n,) at all epochs (m,); fluxes (n, m), nan where there is none."""

    time: Any
    flux: Any
    flux_err: Any
    flags: Any


def main() -> None:
    """Print scatter, the known variables, and every alert."""
    parser = argparse.ArgumentParser()
    parser.add_argument("list", type=Path)
    parser.add_argument("curves", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    reference = read_reference(options.list)
    series = read_series(options.curves, reference)
    scatter = scatter_of(series)
    _print_scatter(reference, series, scatter)
    result = examined(series)
    rows = known_rows(reference)
    for name, row in rows.items():
        print(
            f"{name}: I = {magnitudes_of(reference)[row]:.2f}, period {result.period[row]:.4f} d "
            f"(known: {KNOWN[name][2]:.4f}), alerted: {bool(result.crossed[row])}"
        )
    _print_alerts(reference, series, result, rows)
    if options.plot is not None:
        plot(reference, series, scatter, result, rows, options.plot)


def read_series(path: Path, reference: ReferenceCatalogue) -> Series:
    """Read light curves as written by ``csstream reference measure``."""
    table = parquet.read_table(path)
    time = table["mjd_mid_tai"].to_numpy()
    epochs, column = np.unique(time, return_inverse=True)
    order = np.argsort(reference.stars.object_id)
    found = np.searchsorted(reference.stars.object_id[order], table["object_id"].to_numpy())
    row = order[found]
    shape = (len(reference.stars), epochs.size)
    flux, error = np.full(shape, np.nan), np.full(shape, np.nan)
    flags = np.zeros(shape, np.int32)
    flags[row, column] = table["flags"].to_numpy()
    clean = flags[row, column] & int(UNRELIABLE) == 0
    flux[row[clean], column[clean]] = table["flux"].to_numpy()[clean]
    error[row[clean], column[clean]] = table["flux_err"].to_numpy()[clean]
    return Series(epochs, flux, error, flags)


def scatter_of(series: Series) -> Any:
    """Robust scatter of each star [mag], (n,); nan where too few frames show it."""
    enough = np.isfinite(series.flux).sum(axis=1) >= SEEN * series.time.size
    out = np.full(len(series.flux), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        mag = -2.5 * np.log10(np.where(series.flux > 0.0, series.flux, np.nan))
    for row in np.flatnonzero(enough):
        own = mag[row][np.isfinite(mag[row])]
        if own.size >= SEEN * series.time.size:
            out[row] = 1.4826 * np.median(np.abs(own - np.median(own)))
    return out


def known_rows(reference: ReferenceCatalogue) -> dict[str, int]:
    """Rows of the known variables, through the pattern of the stars."""
    folder = Path(os.environ["CSSTREAM_DATA"]) / FIELD
    stars = Table.read(folder / "reference_stars.csv")
    x, y = (np.asarray(stars[name], float) for name in stars.colnames[:2])
    light = 10.0 ** (-0.4 * np.asarray(stars["mag_I_approx"], float))
    s = reference.stars
    mapped = register(x, y, light, s.x, s.y, s.flux)
    rows = {}
    for name, (px, py, _) in KNOWN.items():
        qx, qy = mapped.apply(px, py)
        near = np.flatnonzero(np.hypot(s.x - qx, s.y - qy) < 2.0)
        rows[name] = int(near[np.argmax(s.flux[near])])
    return rows


def examined(series: Series) -> Any:
    """Look at every star that enough frames show."""
    return examine_panel(
        series.time, series.flux, series.flux_err, ExamineSettings(look_at_all=True)
    )


def _print_scatter(reference: ReferenceCatalogue, series: Series, scatter: Any) -> None:
    mag = magnitudes_of(reference)
    error = np.nanmedian(1.0857 * series.flux_err / np.abs(series.flux), axis=1)
    print(f"{len(reference.stars)} stars, {series.time.size} frames; scatter [mag] by magnitude:")
    print("      I      stars   best tenth   median   median error")
    for low in np.arange(13.0, 21.0):
        own = (mag >= low) & (mag < low + 1.0) & np.isfinite(scatter)
        if np.count_nonzero(own) > 2:
            best, middle = np.percentile(scatter[own], [10, 50])
            print(
                f"  {low:.0f}..{low + 1:.0f} {own.sum():9d} {best:12.4f} {middle:8.4f} "
                f"{np.median(error[own]):12.4f}"
            )
    best = np.sort(scatter[np.isfinite(scatter)])[:10]
    print("ten best constant stars:", " ".join(f"{value:.4f}" for value in best))


def _print_alerts(
    reference: ReferenceCatalogue, series: Series, result: Any, rows: dict[str, int]
) -> None:
    mag, s = magnitudes_of(reference), reference.stars
    names = {row: name for name, row in rows.items()}
    print("worth an alert:")
    for row in np.flatnonzero(result.crossed):
        print(
            f"  x {s.x[row]:7.1f} y {s.y[row]:7.1f} I {mag[row]:.2f} {result.kind[row]} "
            f"P {result.period[row]:.4f} depth {result.depth[row]:.4f} fap {result.fap[row]:.1e} "
            f"epochs {np.isfinite(series.flux[row]).sum()} {names.get(int(row), '')}"
        )


def plot(
    reference: ReferenceCatalogue,
    series: Series,
    scatter: Any,
    result: Any,
    rows: dict[str, int],
    target: Path,
) -> None:
    """Draw scatter by magnitude, and the known variables over their phases."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14.0, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    mag = magnitudes_of(reference)
    error = np.nanmedian(1.0857 * series.flux_err / np.abs(series.flux), axis=1)
    axes[0].plot(mag, scatter, "k.", ms=4, label="scatter")
    axes[0].plot(mag, error, ".", c="#1f77b4", ms=2, label="stated error")
    still = reference.stars.calibrator
    axes[0].plot(mag[still], scatter[still], ".", c="#e06c00", ms=4, label="calibrators")
    axes[0].axhline(0.008, c="r", ls=":", label="0.008 mag")
    axes[0].set(yscale="log", xlabel="I [mag, nominal]", ylabel="scatter over 98 frames [mag]")
    axes[0].legend(fontsize=8)
    for panel, (name, row) in zip(axes[1:], rows.items(), strict=True):
        phase = (series.time - result.t0[row]) / result.period[row] % 1.0
        value = reference.zero_point - 2.5 * np.log10(series.flux[row])
        fault = 1.0857 * series.flux_err[row] / series.flux[row]
        for shift in (0.0, 1.0):
            panel.errorbar(phase + shift, value, fault, fmt="k.", ms=4, lw=0.7)
        panel.invert_yaxis()
        panel.set(title=f"{name}, P = {result.period[row]:.4f} d", xlabel="phase")
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
