"""The columns that an examination returns, and the thresholds that make an alert."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.timeseries.calibration import PreparedPanel
from csstream.timeseries.folding import first_event
from csstream.timeseries.guards import daily_alias
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.look import Look
from csstream.timeseries.search import Search
from csstream.timeseries.settings import ExamineSettings
from csstream.timeseries.views import GLOBAL_BINS, LOCAL_BINS

Array = npt.NDArray[Any]

TRANSIT, PULSATING = KINDS.index("transit"), KINDS.index("pulsating")


@dataclass(frozen=True, eq=False)
class ExaminationResult:
    """One row per star of a panel; NaN where a star was not looked at closely.

    ``t0`` is the first event after the start of the series: mid-event, or maximum light of a
    pulsator. ``depth`` is the depth of the primary event below the level outside it, in relative
    flux; from maximum to minimum of pulsators and of binaries that vary smoothly all the time.
    ``duration`` is from first to last contact, of smooth binaries the full width at half depth;
    NaN for pulsators. The period convention is ``periods.PERIOD_CONVENTION``.
    """

    kind: Array  # (n,) uint8, code in KINDS
    period: Array  # (n,) float64 [day]
    period_err: Array  # (n,) float64 [day]
    t0: Array  # (n,) float64 [day], scale of the input
    t0_err: Array  # (n,) float64 [day]
    dip_t0: Array  # (n,) float64 [day]: the first minimum, of whatever kind; the views' centre
    duration: Array  # (n,) float64 [day]
    duration_err: Array  # (n,) float64 [day]
    depth: Array  # (n,) float64, relative flux
    depth_err: Array  # (n,) float64
    snr_bls: Array  # (n,) float64
    snr_pink: Array  # (n,) float64
    sde: Array  # (n,) float64
    power_ls: Array  # (n,) float64, 0 … 1
    aov: Array  # (n,) float64: statistic of the best harmonic series
    snr_amplitude: Array  # (n,) float64
    fap: Array  # (n,) float64, of one look at one star, see ``false_alarms``
    fap_extrapolated: Array  # (n,) bool: below what was checked by counting
    probabilities: Array  # (n, 4) float64, in the order of KINDS
    n_events: Array  # (n,) int64
    phase_coverage: Array  # (n,) float64
    n_epochs: Array  # (n,) int64
    shortlisted: Array  # (n,) bool: looked at closely
    crossed: Array  # (n,) bool: every threshold crossed, worth an alert
    single_t0: Array  # (n,) float64 [day]: middle of the best single dip; NaN where there is none
    single_duration: Array  # (n,) float64 [day]
    single_depth: Array  # (n,) float64, relative flux
    single_snr: Array  # (n,) float64: its depth over its error against the worse side, 0: none
    single_points: Array  # (n, 3) int64: before, in and after it, see event_search
    single_snr_firm: Array  # (n,) float64: correlated noise counted, see event_scores; 0: none
    single_fap: Array  # (n,) float64, of one dip anywhere in the curve, see event_scores
    single_shape: Array  # (n,) float64: median over mean depth of its points
    single_edge: Array  # (n,) float64: pause at its better seen edge over its duration
    global_view: Array  # (n, 201) float32, NaN in empty bins
    local_view: Array  # (n, 61) float32, NaN in empty bins

    def __len__(self) -> int:
        return len(self.kind)


def assemble(
    panel: PreparedPanel,
    search: Search | None,
    looks: dict[int, Look],
    probabilities: Array,
    settings: ExamineSettings,
) -> ExaminationResult:
    """Put looks and probabilities (one row per look, in order) into columns, and judge."""
    columns = _empty(panel, search)
    crossed = columns["crossed"]
    for (row, look), chances in zip(looks.items(), probabilities, strict=True):
        variable, fap = 1.0 - chances[0], float(columns["fap"][row])
        kind = 1 + int(np.argmax(chances[1:]))
        crossed[row] = variable >= settings.probability and passes(look, kind, fap, settings)
        columns["kind"][row] = kind if variable >= 0.5 else 0
        columns["probabilities"][row] = chances
        columns["shortlisted"][row] = True
        for name, value in _row(look, kind, search, panel).items():
            columns[name][row] = value
    if search is not None:
        columns["crossed"] &= ~daily_alias(panel.time, columns["period"], settings.day_window)
    return ExaminationResult(**columns)


def passes(look: Look, kind: int, fap: float, settings: ExamineSettings) -> bool:
    """Whether one look crosses every threshold but that of the probability."""
    if fap > settings.fap or look.snr_amplitude < settings.snr_amplitude:
        return False
    if look.events < settings.minimal_events:
        return False
    if look.is_box:
        # The deeper a dip stands out of the noise, the surer its low points must be its own.
        counts = settings.fap_counts * 10.0 ** float(np.clip(4.0 - look.depth_sigma, -9.0, 9.0))
        counts = float(np.clip(counts, *settings.fap_counts_range))
        return (
            look.snr_pink >= settings.snr
            and look.rest_snr >= settings.rest_snr
            and look.fap_counts <= counts
            and look.middle_depth >= settings.middle_depth
            and look.event_points >= settings.minimal_points
            and look.trapezoid.depth >= settings.minimal_depth
        )
    few = look.cycles < settings.few_cycles
    return (
        look.wave_share >= (settings.minimal_share_few if few else settings.minimal_share)
        and look.peak_to_peak >= settings.minimal_swing
        and look.cycles >= settings.minimal_cycles
        and look.halves >= settings.minimal_halves
        and look.phase_coverage >= settings.minimal_coverage
    )


def _row(look: Look, kind: int, search: Search | None, panel: PreparedPanel) -> dict[str, Any]:
    """The columns of one star that was looked at."""
    origin = 0.0 if search is None else search.origin
    smooth = kind == PULSATING
    swing = smooth or not look.is_box
    mid, mid_err = (look.t_max, look.t_max_err) if smooth else (look.centre, look.centre_err)
    first = first_event(mid + origin, look.period, float(panel.time[0]))
    trapezoid = look.trapezoid
    return {
        "period": look.period,
        "period_err": look.period_err,
        "t0": first,
        "dip_t0": first_event(look.centre + origin, look.period, float(panel.time[0])),
        "t0_err": float(np.hypot(mid_err, (first - origin - mid) / look.period * look.period_err)),
        "duration": np.nan if smooth else look.width,
        "duration_err": np.nan if smooth else trapezoid.duration_err * look.red_factor,
        "depth": look.peak_to_peak if swing else trapezoid.depth,
        "depth_err": look.peak_to_peak_err if swing else trapezoid.depth_err * look.red_factor,
        "snr_bls": look.snr_bls,
        "snr_pink": look.snr_pink,
        "snr_amplitude": look.snr_amplitude,
        "n_events": look.events,
        "phase_coverage": look.phase_coverage,
        "global_view": look.global_view[0],
        "local_view": look.local_view[0],
    }


def _empty(panel: PreparedPanel, search: Search | None) -> dict[str, Array]:
    """All columns for stars that nobody looked at closely."""
    n = len(panel.flux)
    columns: dict[str, Array] = {f.name: np.full(n, np.nan) for f in fields(ExaminationResult)}
    columns["probabilities"] = np.tile([1.0, 0.0, 0.0, 0.0], (n, 1))
    columns["kind"] = np.zeros(n, np.uint8)
    columns["n_events"] = np.zeros(n, np.int64)
    columns["n_epochs"] = panel.epochs
    columns["shortlisted"] = np.zeros(n, bool)
    columns["crossed"] = np.zeros(n, bool)
    columns["fap_extrapolated"] = np.zeros(n, bool)
    columns["single_snr"] = np.zeros(n)
    columns["single_points"] = np.zeros((n, 3), np.int64)
    columns["single_snr_firm"] = np.zeros(n)
    columns["single_fap"] = np.ones(n)
    columns["global_view"] = np.full((n, GLOBAL_BINS), np.nan, np.float32)
    columns["local_view"] = np.full((n, LOCAL_BINS), np.nan, np.float32)
    if search is not None:
        for name in ("snr_bls", "sde", "power_ls", "aov", "fap"):
            columns[name] = np.array(getattr(search, name))
        columns["fap_extrapolated"] = np.array(search.alarms.extrapolated)
        single = search.single
        columns["single_t0"] = np.array(single.middle)
        for name in ("duration", "depth", "snr", "points"):
            columns[f"single_{name}"] = np.array(getattr(single, name))
        scores = search.single_scores
        columns["single_snr_firm"] = np.array(scores.snr)
        for name in ("fap", "shape", "edge"):
            columns[f"single_{name}"] = np.array(getattr(scores, name))
    return columns
