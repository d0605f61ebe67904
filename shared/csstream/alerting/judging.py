"""One look at a panel judged as a whole: single events, mirrors, thresholds, decisions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.alerting.decisions import Decision, Rules, decide
from csstream.alerting.faults import FaultRules, faulty_events
from csstream.alerting.mirrors import MirrorRules, Neighbourhood, Swings, join, mirrored, swings_of
from csstream.alerting.single_events import SingleEventRules, with_single_events
from csstream.alerting.thresholds import findings
from csstream.contracts.records import Examination
from csstream.timeseries.repeated_looks import fap_of_looks, looks_so_far
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class AlertRules:
    """All rules between an examination and an alert."""

    decisions: Rules = field(default_factory=Rules)
    single_events: SingleEventRules = field(default_factory=SingleEventRules)
    mirrors: MirrorRules = field(default_factory=MirrorRules)
    faults: FaultRules = field(default_factory=FaultRules)


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """One panel of n objects and m epochs at one of its examinations."""

    examination: int  # from 1
    visit: int  # the last one in it
    closing: bool  # the sequence has ended: no look follows
    object_id: Array  # int64 (n,)
    ra: Array  # float64 (n,) [deg]
    dec: Array  # float64 (n,) [deg]
    time: Array  # float64 (m,) [day] BJD TDB, not decreasing
    flux: Array  # (n, m) [nJy] as searched; nan: none


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """What was decided about a look."""

    decision: Decision
    seen: ExaminationResult  # what was judged: single events told as such, fap of all looks so far

    def mirror_of(self, object_id: int) -> int:
        """Return the object that one only mirrors; 0: none."""
        look = self.decision.examination
        return int(next(iter(look.mirror_source[look.mirror_id == object_id]), 0))

    def mirrors(self, object_id: int) -> Array:
        """Return the objects that only mirror one, int64, increasing."""
        look = self.decision.examination
        return np.unique(look.mirror_id[look.mirror_source == object_id])


def judge(
    look: Look,
    result: ExaminationResult,
    *,
    previous: Examination | None,
    around: Sequence[Neighbourhood],
    rules: AlertRules,
    repeated: Examination | None = None,
) -> Judgement:
    """Decide which objects get an alert.

    Parameters
    ----------
    look, result
        The panel and what the search found in it.
    previous
        The examination of the same panel before it; None: there was none.
    around
        What the latest looks at the other panels of the cell say of neighbours, by panel.
    repeated
        What this very look was remembered as, when it is judged again: the mirrors are taken from
        it, since ``around`` may have moved on meanwhile.
    """
    seen = with_single_events(look.time, look.flux, result, rules.single_events)
    stars = swings_of(look.object_id, look.ra, look.dec, look.flux, seen)
    if repeated is None:
        span = float(look.time[-1] - look.time[0]) if len(look.time) else 0.0
        pairs = mirror_pairs(stars, seen.crossed, around, span, rules)
    else:
        pairs = (repeated.mirror_id, repeated.mirror_source)
    echo = np.isin(look.object_id, pairs[0])
    faulty = faulty_events(look.time, look.flux, seen, echo, rules.faults)
    found = findings(seen, echo, faulty, look, rules.decisions)
    decision = decide(found, previous, rules.decisions)
    rows = np.flatnonzero(found.crossed & np.isfinite(stars.swing))
    remembered = _with_sources(decision.examination, stars, rows, pairs)
    told = of_all_looks(seen, look.time, rules.decisions)
    return Judgement(decision=replace(decision, examination=remembered), seen=told)


def of_all_looks(seen: ExaminationResult, time: Array, rules: Rules) -> ExaminationResult:
    """Return what was seen with false-alarm probabilities that count every look so far.

    Those of single events hold for all looks together as they are.
    """
    fap = fap_of_looks(seen.fap, looks_so_far(time), rules.fap)
    return replace(seen, fap=np.where(np.isfinite(seen.period), fap, seen.fap))


def mirror_pairs(
    stars: Swings,
    crossed: Array,
    around: Sequence[Neighbourhood],
    span: float,
    rules: AlertRules,
) -> tuple[Array, Array]:
    """Return who mirrors whom, (l,) each, of which at least one is of the panel.

    Any star of the panel that varies may be a mirror; sources have crossed the thresholds.
    """
    own = stars.select(np.isfinite(stars.swing))
    others = [each.sources for each in around]
    sources = join([stars.select(crossed & np.isfinite(stars.swing)), *others])
    everyone = join([own, *others])
    source = mirrored(everyone, sources, span, rules.mirrors)
    here = np.isin(everyone.object_id, stars.object_id) | np.isin(source, stars.object_id)
    kept = (source > 0) & here
    ids, sources_of_ids = [everyone.object_id[kept]], [source[kept]]
    for each in around:  # mirrors that other panels found when they were looked at
        known = np.isin(each.mirror_source, stars.object_id)
        ids.append(each.mirror_id[known])
        sources_of_ids.append(each.mirror_source[known])
    return _distinct(np.concatenate(ids), np.concatenate(sources_of_ids))


def _distinct(mirror: Array, source: Array) -> tuple[Array, Array]:
    """Each mirror once, in order of its id."""
    ids, first = np.unique(mirror, return_index=True)
    return ids.astype(np.int64), source[first].astype(np.int64)


def _with_sources(
    look: Examination, stars: Swings, rows: Array, pairs: tuple[Array, Array]
) -> Examination:
    return replace(
        look,
        source_row=rows.astype(np.int32),
        source_ra=stars.ra[rows],
        source_dec=stars.dec[rows],
        source_t0=stars.t0[rows],
        source_width=stars.width[rows],
        source_swing=stars.swing[rows],
        mirror_id=pairs[0],
        mirror_source=pairs[1],
    )
