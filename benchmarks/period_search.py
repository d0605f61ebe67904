"""Time per light curve of the batched searches against astropy, in one run.

    OMP_NUM_THREADS=1 python benchmarks/period_search.py [--stars 128] [--astropy-stars 4]

Both search the same frequencies; astropy with three durations, ours with six.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np
from astropy.timeseries import BoxLeastSquares, LombScargle

from csstream.timeseries.box_search import box_panel
from csstream.timeseries.examine import examine_panel, warm_up
from csstream.timeseries.grids import box_grid, period_limits, sinusoid_grid
from csstream.timeseries.lomb_scargle import lomb_scargle_panel
from csstream.timeseries.settings import ExamineSettings

CASES = (("space, 3.5 d", 1000, 3.5), ("space, 3.5 d", 150, 3.5), ("nightly, 98 d", 98, 98.0))


def _times(epochs, span, rng):
    if span > 30:
        return np.arange(epochs) * span / epochs + rng.uniform(-0.15, 0.15, epochs)
    return np.linspace(0.0, span, epochs)


def _milliseconds(function, stars):
    start = perf_counter()
    function()
    return 1e3 * (perf_counter() - start) / stars


def _astropy_boxes(time, flux, frequencies, stars):
    for row in range(stars):
        model = BoxLeastSquares(time, flux[row], dy=0.01)
        model.power(1.0 / frequencies, [0.03, 0.06, 0.12], objective="snr")


def _astropy_waves(time, flux, frequencies, stars):
    for row in range(stars):
        LombScargle(time, flux[row], 0.01).power(frequencies)


def _measure(epochs, span, stars, few, rng):
    """Grid sizes and milliseconds of one case."""
    time = _times(epochs, span, rng)
    flux = 0.01 * rng.normal(size=(stars, epochs))
    error = np.full_like(flux, 0.01)
    weight = error**-2.0
    settings, limits = ExamineSettings(), period_limits(time)
    fraction = max(settings.shortest_fraction, settings.minimal_points / epochs)
    boxes = box_grid(span, *limits, fraction, settings.most_box_periods)
    waves = sinusoid_grid(span, *limits)
    return (
        boxes.count,
        _milliseconds(lambda: box_panel(time, flux, weight, boxes.frequencies), stars),
        _milliseconds(lambda: _astropy_boxes(time, flux, boxes.frequencies, few), few),
        waves.count,
        _milliseconds(lambda: lomb_scargle_panel(time, flux, weight, waves), stars),
        _milliseconds(lambda: _astropy_waves(time, flux, waves.frequencies, few), few),
        _milliseconds(lambda: examine_panel(time, 1.0 + flux, error), stars),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=128)
    parser.add_argument("--astropy-stars", type=int, default=4)
    options = parser.parse_args()
    warm_up()
    rng = np.random.default_rng(1)
    header = "case", "epochs", "boxes", "ours", "astropy", "waves", "ours", "astropy", "examine"
    print(("{:14s}" + "{:>9s}" * 8).format(*header))
    for name, epochs, span in CASES:
        figures = _measure(epochs, span, options.stars, options.astropy_stars, rng)
        line = "{:14s}{:9d}{:9d}{:9.3f}{:9.2f}{:9d}{:9.3f}{:9.2f}{:9.3f}"
        print(line.format(name, epochs, *figures), flush=True)
    print("times in ms per light curve; examine: whole examination of constant stars")


if __name__ == "__main__":
    main()
