"""Stars that only mirror a bright variable: its swing leaks into the fluxes of its neighbours.

A star mirrors another when all of this holds:

- they lie within ``radius_arcsec`` of each other;
- their periods agree, or one is twice the other, and their events coincide in phase (in antiphase
  too where one of them is smooth: what leaks may have either sign, and maxima may answer minima);
- its swing in flux units is the smaller one: what leaks is less than what it leaks from.

Of several such stars the one with the largest swing is the source. Two variables of their own
hardly ever agree so well, so the rule needs no share of the light that may leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.contracts.records import Examination
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]
PULSATING: Final = KINDS.index("pulsating")
RATIOS: Final = (1.0, 2.0, 0.5)  # period of the mirror over that of the source
ARCSEC: Final = 3600.0  # [1/deg]
SERIES_BITS: Final = 48  # of an object's id, below those that tell the bands of a cell apart


@dataclass(frozen=True, kw_only=True)
class MirrorRules:
    """When two stars show the same variation."""

    radius_arcsec: float = 0.8  # [arcsec] about five FWHM; 0: nothing is taken for a mirror
    cycles: float = 0.15  # by which two periods may part over the time span
    sigmas: float = 3.0  # of the periods' errors, where these allow more
    phase: float = 0.08  # of a period, between two events


@dataclass(frozen=True, kw_only=True, eq=False)
class Swings:
    """Varying stars; all arrays (k,)."""

    object_id: Array  # int64
    ra: Array  # float64 [deg]
    dec: Array  # float64 [deg]
    kind: Array  # uint8, code in KINDS
    period: Array  # float64 [day]; nan: a single event
    period_err: Array  # float64 [day]
    t0: Array  # float64 [day] of a minimum, of pulsating stars too
    width: Array  # float64 [day] duration of the event; nan: smooth
    swing: Array  # float64, in the unit of the curves: depth times mean flux

    def __len__(self) -> int:
        return len(self.object_id)

    def select(self, rows: Array) -> Swings:
        """Return the stars chosen by a mask or by indices."""
        return Swings(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def join(parts: Sequence[Swings]) -> Swings:
    """Return all stars in one table, in the order given; at least one part."""
    names = [each.name for each in fields(Swings)]
    return Swings(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def swings_of(
    object_id: Array, ra: Array, dec: Array, flux: Array, result: ExaminationResult
) -> Swings:
    """Return every star of an examined panel, (n,); the swing is nan where none was seen.

    ``flux`` (n, m), nan where there is none. A star that has crossed without a period shows a
    single event.
    """
    varies = result.shortlisted & (result.kind > 0) & np.isfinite(result.period)
    return Swings(
        object_id=np.asarray(object_id, np.int64),
        ra=np.asarray(ra, np.float64),
        dec=np.asarray(dec, np.float64),
        kind=np.asarray(result.kind, np.uint8),
        period=np.asarray(result.period, np.float64),
        period_err=np.asarray(result.period_err, np.float64),
        t0=np.asarray(result.dip_t0, np.float64),
        width=np.asarray(result.duration, np.float64),
        swing=np.where(varies | result.crossed, result.depth * mean_level(flux), np.nan),
    )


class Neighbourhood(NamedTuple):
    """What one panel's look says to the other panels of its cell."""

    sources: Swings  # that crossed the thresholds by themselves
    mirror_id: Array  # int64 (l,) objects of the panel that mirror others
    mirror_source: Array  # int64 (l,) whom


def neighbourhood(look: Examination) -> Neighbourhood:
    """Return what a remembered look says of its sources and mirrors."""
    rows = look.source_row
    sources = Swings(
        object_id=look.object_id[rows],
        ra=look.source_ra,
        dec=look.source_dec,
        kind=look.kind[rows],
        period=look.period[rows],
        period_err=look.period_err[rows],
        t0=look.source_t0,
        width=look.source_width,
        swing=look.source_swing,
    )
    own = np.isin(look.mirror_id, look.object_id)
    return Neighbourhood(sources, look.mirror_id[own], look.mirror_source[own])


def mirrored(stars: Swings, sources: Swings, span: float, rules: MirrorRules) -> Array:
    """Return the id of the source that each star mirrors, int64 (n,); 0: none.

    ``span`` [day] is the length of the curves. A star among the sources does not mirror itself.
    """
    if len(stars) == 0 or len(sources) == 0 or rules.radius_arcsec <= 0:
        return np.zeros(len(stars), np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        same = (
            _near(stars, sources, rules.radius_arcsec)
            & (stars.swing[:, None] < sources.swing[None, :])
            & _other_of_the_series(stars.object_id[:, None], sources.object_id[None, :])
            & _same_rhythm(stars, sources, span, rules)
        )
    strength = np.where(same, sources.swing[None, :], -np.inf)
    best = np.argmax(strength, axis=1)
    return np.where(same.any(axis=1), sources.object_id[best], 0).astype(np.int64)


def _other_of_the_series(object_id: Array, other: Array) -> Array:
    """Whether two objects differ and have curves in one band: else they may be one star."""
    return (object_id != other) & (object_id >> SERIES_BITS == other >> SERIES_BITS)


def mean_level(flux: Array) -> Array:
    """Return the mean flux of each curve, (n,); nan where it is empty or not positive."""
    seen = np.isfinite(flux)
    total = np.where(seen, flux, 0.0).sum(axis=1, dtype=np.float64)
    count = seen.sum(axis=1)
    mean = total / np.maximum(count, 1)
    return np.where((count > 0) & (mean > 0), mean, np.nan)


def _near(stars: Swings, sources: Swings, radius: float) -> Array:
    dec = stars.dec[:, None] - sources.dec[None, :]
    ra = (stars.ra[:, None] - sources.ra[None, :] + 180.0) % 360.0 - 180.0
    ra = ra * np.cos(np.radians(stars.dec))[:, None]
    return np.hypot(ra, dec) * ARCSEC <= radius


def _same_rhythm(stars: Swings, sources: Swings, span: float, rules: MirrorRules) -> Array:
    """Whether events of star and source fall together, bool (n, k)."""
    period, other = stars.period[:, None], sources.period[None, :]
    either = np.fmin(period, other)  # nan where both are single events
    width = np.fmax(np.nan_to_num(stars.width)[:, None], np.nan_to_num(sources.width)[None, :])
    offset = stars.t0[:, None] - sources.t0[None, :]
    both = np.isfinite(period) & np.isfinite(other)
    cycle = np.where(np.isfinite(either), offset / either, 0.0)
    lag = np.abs(cycle - np.round(cycle))  # of the shorter period
    smooth = (stars.kind == PULSATING)[:, None] | (sources.kind == PULSATING)[None, :]
    in_phase = (lag <= rules.phase) | (smooth & (lag >= 0.5 - rules.phase))
    beside = np.where(np.isfinite(either), lag * either, np.abs(offset)) <= 0.5 * width
    return np.where(both, in_phase & _same_period(stars, sources, span, rules), beside)


def _same_period(stars: Swings, sources: Swings, span: float, rules: MirrorRules) -> Array:
    ratio = stars.period[:, None] / sources.period[None, :]
    error = np.hypot(
        np.nan_to_num(stars.period_err / stars.period)[:, None],
        np.nan_to_num(sources.period_err / sources.period)[None, :],
    )
    shorter = np.fmin(stars.period[:, None], sources.period[None, :])
    drift = rules.cycles * shorter / max(span, 1e-9)
    slack = np.clip(np.maximum(rules.sigmas * error, drift), 0.0, 0.05)
    return np.any([np.abs(ratio / each - 1.0) <= slack for each in RATIOS], axis=0)
