"""One examination: a panel of curves goes in, a verdict on each star comes out.

The cheap batched search sees every star, the close look and the network only the shortlist. No
network is needed: without one, the kind follows from the winning model.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries import significance
from csstream.timeseries.box_search import BINS as BOX_BINS
from csstream.timeseries.box_search import WIDTHS, box_panel
from csstream.timeseries.calibration import PreparedPanel, prepare_panel
from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.event_scores import score_events
from csstream.timeseries.event_search import single_events
from csstream.timeseries.false_alarms import false_alarms
from csstream.timeseries.features import SCALARS, scalars_of
from csstream.timeseries.grids import (
    EVENTS_SEEN,
    FrequencyGrid,
    box_grid,
    period_limits,
    sinusoid_grid,
)
from csstream.timeseries.harmonic_search import aov_statistic, harmonic_panel
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.look import Look, Trials, look_at
from csstream.timeseries.periods import (
    BOX_PEAKS,
    SINUSOID_PEAKS,
    Curve,
    Limits,
    choose_period,
    top_peaks,
)
from csstream.timeseries.result import ExaminationResult, assemble
from csstream.timeseries.scores import score_panel
from csstream.timeseries.search import Search
from csstream.timeseries.settings import ExamineSettings

Array = npt.NDArray[Any]
LARGEST = 1e35  # flux, in whatever unit
BANDS: Final = 4  # of the box search's periods, each with its own best peak
Classifier = Callable[[Array, Array, Array], Array]  # views (k, 2, bins), scalars -> (k, 4)


def examine_panel(
    time: Array,
    flux: Array,
    flux_err: Array,
    settings: ExamineSettings | None = None,
    classifier: Classifier | None = None,
    spectral_type: Array | None = None,
) -> ExaminationResult:
    """Search a panel for periodic variables.

    Parameters
    ----------
    time : ndarray, (m,), float64 [day], not decreasing; any scale, the results are in the same.
    flux, flux_err : ndarray, (n, m), one linear unit; NaN where a star was not measured.
    settings : thresholds; the defaults when None.
    classifier : (global views (k, 2, 201), local views (k, 2, 61), scalars (k, len(SCALARS)))
        -> probabilities (k, 4) in the order of ``KINDS``; None: by rules.
    spectral_type : (n,) 0 (O) … 6 (M), NaN where unknown; None: unknown for all.

    Returns
    -------
    ExaminationResult
        One row per star. ``shortlisted`` stars have all columns; the others only those of the
        search, with kind ``none``.

    Raises
    ------
    TimeseriesError
        When shapes disagree, times decrease, or something is no number.

    Masked values, infinite ones and those beyond 1e35 count as not measured; so do errors that are
    not above zero.
    """
    settings = settings or ExamineSettings()
    time, flux, flux_err = (numbers(values) for values in (time, flux, flux_err))
    panel = prepare_panel(time, flux, flux_err, ensemble=settings.ensemble)
    if not len(panel.flux) or len(panel.time) < 3 or panel.time[-1] <= panel.time[0]:
        return assemble(panel, None, {}, np.empty((0, len(KINDS))), settings)
    search = search_panel(panel, settings)
    looks, scalars = look_at_shortlist(panel, search, settings, spectral_type)
    probabilities = _classify(looks, scalars, classifier)
    return assemble(panel, search, looks, probabilities, settings)


def numbers(values: Array) -> Array:
    """Values as float64, NaN where masked or beyond what single precision holds.

    Raises TimeseriesError for what is no number.
    """
    try:
        masked = np.ma.getmaskarray(values)
        plain = np.array(np.ma.getdata(values), np.float64)
    except (TypeError, ValueError) as error:
        raise TimeseriesError(
            "not_numbers", f"times and fluxes must be numbers: {error}"
        ) from error
    plain[masked | ~(np.abs(plain) < LARGEST)] = np.nan
    return plain


def search_panel(panel: PreparedPanel, settings: ExamineSettings) -> Search:
    """Box and sinusoid search of all stars of a panel on grids that follow the time span."""
    origin = 0.5 * float(panel.time[0] + panel.time[-1])
    time = panel.time - origin
    span = float(time[-1] - time[0])
    asked = settings.shortest_period, settings.longest_period
    limits = period_limits(panel.time, *asked, EVENTS_SEEN)
    # Events that hold fewer points than an alert needs are not worth a finer grid.
    fraction = max(settings.shortest_fraction, settings.minimal_points / len(time))
    boxes = box_grid(span, *limits, fraction, settings.most_box_periods, settings.box_oversampling)
    limits = period_limits(panel.time, *asked)
    sinusoids = sinusoid_grid(
        span, *limits, settings.sinusoid_oversampling, settings.most_sinusoids
    )
    residue = box_panel(time, panel.flux, panel.weight, boxes.frequencies)
    orders = settings.search_harmonics
    powers = harmonic_panel(time, panel.flux, panel.weight, sinusoids, orders)
    trials = Trials(
        significance.box_trials(
            boxes.count, np.array(WIDTHS) / BOX_BINS, settings.box_oversampling
        ),
        max(sinusoids.count / settings.sinusoid_oversampling, 1.0),
    )
    scores = score_panel(
        time, panel.flux, panel.weight,
        _highest_of_bands(residue, boxes), boxes.step,
        _highest(powers[0], sinusoids), _log_range(boxes), trials.sinusoids,
    )  # fmt: skip
    series = powers[-1].max(axis=1, initial=0.0)
    single = single_events(panel.time, panel.flux, panel.weight)
    return Search(
        origin=origin,
        time=time,
        boxes=boxes,
        sinusoids=sinusoids,
        residue=residue,
        power=powers[0],
        power_harmonics=powers[-1],
        harmonics=orders,
        trials=trials,
        snr_bls=scores.snr_bls,
        sde=significance.sde(residue),
        power_ls=scores.power,
        aov=aov_statistic(series, orders, panel.epochs),
        single=single,
        single_scores=score_events(panel.time, panel.flux, panel.weight, single),
        scores=scores,
        alarms=false_alarms(scores, panel.epochs),
    )


def _log_range(grid: FrequencyGrid) -> float:
    """Logarithm of a grid's highest over its lowest frequency; 0 where it is empty."""
    last = grid.start + grid.step * (grid.count - 1)
    return float(np.log(last / grid.start)) if grid.count else 0.0


def _highest(spectrum: Array, grid: FrequencyGrid) -> Array:
    """Frequency (n,) [1/day] of each star's highest peak; 0 where the grid is empty."""
    if not grid.count:
        return np.zeros(len(spectrum))
    return np.asarray(grid.frequencies[np.argmax(spectrum, axis=1)])


def _highest_of_bands(spectrum: Array, grid: FrequencyGrid) -> Array:
    """Frequencies of the highest peaks in equal parts of the log frequency, (n, BANDS) [1/day].

    Of short periods there are so many that noise outdoes a long one's signal. 0 in empty bands.
    """
    frequencies, found = grid.frequencies, np.zeros((len(spectrum), BANDS))
    if not grid.count:
        return found
    edges = np.geomspace(frequencies[0], frequencies[-1], BANDS + 1)[1:-1]
    places = [0, *np.searchsorted(frequencies, edges), grid.count]
    for band, (first, end) in enumerate(pairwise(places)):
        if end > first:
            found[:, band] = frequencies[first + np.argmax(spectrum[:, first:end], axis=1)]
    return found


def look_at_shortlist(
    panel: PreparedPanel,
    search: Search,
    settings: ExamineSettings,
    spectral_type: Array | None = None,
) -> tuple[dict[int, Look], Array]:
    """Close looks by row of the panel, and their scalars (k, len(SCALARS))."""
    types = np.full(len(panel.flux), np.nan) if spectral_type is None else spectral_type
    enough = (panel.epochs >= settings.minimal_epochs) & np.isfinite(panel.level)
    wanted = enough & (settings.look_at_all | (search.fap <= settings.shortlist_fap))
    looks: dict[int, Look] = {}
    scalars = []
    for row in map(int, np.flatnonzero(wanted)):
        used = panel.weight[row] > 0
        curve = Curve(search.time[used], panel.flux[row, used], panel.weight[row, used])
        look = _look(curve, row, float(panel.sigma1[row]), search)
        if look is not None:
            looks[row] = look
            scalars.append(scalars_of(look, curve, float(panel.sigma1[row]), float(types[row])))
    return looks, np.array(scalars, np.float32).reshape(-1, len(SCALARS))


def _look(curve: Curve, row: int, sigma1: float, search: Search) -> Look | None:
    if not search.boxes.count or not search.sinusoids.count:
        return None
    boxes = top_peaks(search.residue[row], BOX_PEAKS, 4)
    waves = top_peaks(search.power[row], SINUSOID_PEAKS, 4)
    if len(boxes) == 0 or len(waves) == 0 or curve.span <= 0 or curve.chi2 <= 0:
        return None
    sinusoids, events = search.sinusoids.frequencies, search.boxes.frequencies
    choice = choose_period(
        curve,
        events[boxes],
        search.boxes.step,
        sinusoids[waves],
        Limits(0.999 * float(events[0]), 0.999 * float(sinusoids[0]), 1.001 * float(sinusoids[-1])),
    )
    return None if choice is None else look_at(curve, choice, sigma1, search.trials)


def _classify(looks: dict[int, Look], scalars: Array, classifier: Classifier | None) -> Array:
    """Probabilities (k, 4) of the looks."""
    if not looks:
        return np.empty((0, len(KINDS)))
    if classifier is None:
        return np.array([by_rules(look) for look in looks.values()])
    views = list(looks.values())
    return classifier(
        np.array([look.global_view for look in views]),
        np.array([look.local_view for look in views]),
        scalars,
    )


def by_rules(look: Look) -> Array:
    """Kind from the winning model when there is no network: (4,), one probability is 1.

    A smooth model whose first harmonic is the strongest is a pulsator; a shallow dip without a
    secondary is a transit; anything else is an eclipsing binary.
    """
    kind = "eclipsing"
    if not look.is_box and look.wave.amplitude(1) > look.wave.amplitude(2):
        kind = "pulsating"
    elif look.is_box and look.trapezoid.depth < 0.04 and look.secondary_snr < 4:
        kind = "transit"
    return np.array([float(name == kind) for name in KINDS])


def warm_up() -> None:
    """Compile every kernel on a small panel, so that the first real one is not kept waiting."""
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(0.0, 3.0, 60))
    flux = 1000.0 + rng.normal(0.0, 1.0, (24, 60))
    flux[0] -= 300.0 * (np.abs((time / 0.9) % 1 - 0.5) < 0.1)
    examine_panel(time, flux, np.ones_like(flux), ExamineSettings(look_at_all=True))
