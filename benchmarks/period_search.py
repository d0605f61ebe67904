"""Time per light curve of the batched searches beside astropy and nifty-ls, and of a whole cell.

    OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/period_search.py [--stars 512]

All run in one process on the same curves, boxes and frequencies; processor time, one core. The
first lines are the searches (1000 epochs, 300 s apart), with weights that are common to the stars
and with weights and gaps of each star's own. The last are full examinations of constant stars with
two percent of variables among them, all steps, scaled to a cell of 12,000.
"""

from __future__ import annotations

import argparse
from time import process_time

import numpy as np
from astropy.timeseries import BoxLeastSquares, LombScargle

from csstream.timeseries.box_search import box_panel, duration_boxes
from csstream.timeseries.event_search import single_events
from csstream.timeseries.examine import examine_panel, warm_up
from csstream.timeseries.grids import FrequencyGrid
from csstream.timeseries.harmonic_search import harmonic_panel
from csstream.timeseries.settings import ExamineSettings

EPOCHS, CADENCE = 1000, 300.0 / 86400.0
PANEL = 128
DURATIONS = np.array([0.05, 0.1, 0.2])  # [day]
PERIODS = 3000
OVERSAMPLING = 10  # astropy's default
WAVES = FrequencyGrid(0.43, 4.6 / 1000, 1000)
SERIES = FrequencyGrid(0.43, 4.6 / 175, 175)
CELL = 12_000
REPEATS = 3
NOISE = 0.01


def _milliseconds(function, stars):
    """Least processor time per star of a few runs [ms]; the first is not counted."""
    function()
    times = []
    for _ in range(REPEATS):
        start = process_time()
        function()
        times.append(process_time() - start)
    return 1e3 * min(times) / stars


def _panel(rng, common):
    time = np.arange(EPOCHS) * CADENCE - 0.5 * EPOCHS * CADENCE
    weight = np.full((PANEL, EPOCHS), NOISE**-2.0)
    if not common:
        weight *= rng.uniform(0.8, 1.2, weight.shape) * (rng.uniform(size=weight.shape) > 0.03)
    return time, NOISE * rng.normal(size=weight.shape), weight


def _print(name, *figures):
    print(
        f"{name:58s}" + "".join(f"{f:>12.4f}" if f is not None else f"{'':>12s}" for f in figures)
    )


def boxes(name, time, flux, weight, few):
    """Ours and astropy's, the same boxes."""
    frequencies = np.linspace(1 / 3.0, 1 / 0.5, PERIODS)
    plan = duration_boxes(frequencies, DURATIONS, OVERSAMPLING)
    ours = _milliseconds(lambda: box_panel(time, flux, weight, frequencies, plan), PANEL)

    def astropy():
        for row in range(few):
            used = weight[row] > 0
            model = BoxLeastSquares(time[used], flux[row, used], weight[row, used] ** -0.5)
            model.power(1 / frequencies, DURATIONS, objective="snr", oversample=OVERSAMPLING)

    theirs = _milliseconds(astropy, few)
    label = f"BLS, {PERIODS} periods x {len(DURATIONS)} durations, {name}"
    _print(label, ours, theirs, None, theirs / ours)


def waves(name, time, flux, weight, few):
    """Lomb-Scargle of ours, astropy (its fast method) and nifty-ls where it is installed."""
    ours = _milliseconds(lambda: harmonic_panel(time, flux, weight, WAVES, 1), PANEL)

    def astropy():
        for row in range(few):
            used = weight[row] > 0
            model = LombScargle(time[used], flux[row, used], weight[row, used] ** -0.5)
            model.power(WAVES.frequencies, method="fast", assume_regular_frequency=True)

    theirs, nifty = _milliseconds(astropy, few), _nifty(time, flux, weight)
    label = f"Lomb-Scargle, {WAVES.count} frequencies, {name}"
    _print(label, ours, theirs, nifty, theirs / ours)
    series = _milliseconds(lambda: harmonic_panel(time, flux, weight, SERIES, 3), PANEL)
    _print(f"AOV, {SERIES.count} frequencies x 3 harmonics, {name}", series)
    dips = _milliseconds(lambda: single_events(time, flux, weight), PANEL)
    _print(f"single dips, {name}", dips)


def _nifty(time, flux, weight):
    """Milliseconds of nifty-ls for the whole panel; gaps become tiny weights. None without it."""
    try:
        from nifty_ls import lombscargle
    except ImportError:
        return None
    error = np.where(weight > 0, weight, 1e-6 * weight.max()) ** -0.5
    last = WAVES.frequencies[-1]

    def run():
        lombscargle(time, flux, error, fmin=WAVES.start, fmax=last, Nf=WAVES.count,
                    backend="finufft", nthreads=1)  # fmt: skip

    return _milliseconds(run, len(flux))


def _cell(rng, stars):
    """Time, flux and errors of constant stars with two percent of variables, gaps as measured."""
    time = 60000.0 + np.arange(EPOCHS) * CADENCE
    noise = 10.0 ** rng.uniform(-3.0, -1.0, (stars, 1))
    flux = 1.0 + noise * rng.normal(size=(stars, EPOCHS))
    for row in range(0, stars, 50):
        period, depth = rng.uniform(0.3, 3.0), noise[row, 0] * rng.uniform(1.0, 6.0)
        phase = np.abs((time / period + 0.5) % 1.0 - 0.5)
        dip = phase * period < 0.06 if row % 100 else 0.5 * np.cos(2 * np.pi * time / period)
        flux[row] *= 1.0 - depth * dip
    flux[rng.uniform(size=flux.shape) < 0.01] = np.nan
    return time, flux, noise * rng.uniform(0.9, 1.1, flux.shape)


def examinations(rng, stars):
    """Whole examinations, with rules in the place of the network."""
    for epochs in (EPOCHS, 300):
        time, flux, error = _cell(rng, stars)
        cut = slice(0, epochs)
        start, looked = process_time(), 0
        for first in range(0, stars, PANEL):
            part = slice(first, first + PANEL)
            result = examine_panel(time[cut], flux[part, cut], error[part, cut], ExamineSettings())
            looked += int(result.shortlisted.sum())
        seconds = process_time() - start
        print(
            f"full examination, {epochs} epochs: {1e3 * seconds / stars:.3f} ms per star, "
            f"{seconds * CELL / stars:.1f} s per cell of {CELL}; {looked} of {stars} looked at"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=1536, help="of the full examination")
    parser.add_argument("--astropy-stars", type=int, default=4)
    options = parser.parse_args()
    warm_up()
    rng = np.random.default_rng(1)
    header = ("csstream", "astropy", "nifty-ls", "x astropy")
    print(f"{'ms per light curve and core':58s}" + "".join(f"{name:>12s}" for name in header))
    for name, common in (("common weights", True), ("own weights and gaps", False)):
        panel = _panel(rng, common)
        boxes(name, *panel, options.astropy_stars)
        waves(name, *panel, options.astropy_stars)
    examinations(rng, options.stars)


if __name__ == "__main__":
    main()
