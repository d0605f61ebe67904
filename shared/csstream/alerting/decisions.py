"""What to tell the world after one look at a panel. Pure: no clock, no client, no randomness.

The rules, per object:

* no alert yet: one is sent when the thresholds are crossed at this look and at the one before,
  with periods that agree (or are simple multiples of one another);
* a standing alert is updated when the class has changed (two looks agree on the new class), when
  the period has moved (two looks agree on the new period; a single event's first period is sent at
  once), or when the significance has doubled;
* a standing alert is withdrawn when the thresholds are crossed neither now nor at the look before;
  but not that of a single event: what happened once is not undone when a later fold does not fit;
* a look that sees only one event of a known periodic star keeps its alert and changes nothing;
* a star that only mirrors a neighbour gets no alert, and one that stands is withdrawn at once;
* otherwise nothing is sent: a known variable is not repeated.

The closing look, when a sequence has ended, is the last one: no other will confirm it. There a
first alert needs one look alone, with half of the false-alarm probability (``closing_fap``), and
updates need no second look. A withdrawal still needs two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.alerting.identity import alert_id
from csstream.contracts.records import Examination

Array = npt.NDArray[Any]

FIRST: Final = "first_crossing"
SINGLE: Final = "single_event"
CLASS: Final = "changed_class"
PERIOD: Final = "improved_period"
DOUBLED: Final = "significance_doubled"
WITHDRAWN: Final = "withdrawn"
NONE: Final = 0  # code of the class "none"; in a withdrawn alert too
SIMPLE_RATIOS: Final = (1.0, 2.0, 0.5, 3.0, 1.0 / 3.0, 1.5, 2.0 / 3.0)
MATCH_SIGMAS: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When two looks agree and when a change is worth an update."""

    period_agreement: float = 0.02  # relative; two looks within it saw the same period
    period_change: float = 0.005  # relative; a smaller move of the period is not sent
    significance_factor: float = 2.0
    fap: float = 1e-4  # of one look, what an examination asks for
    # No second look confirms the last one. That adds little to the false alarms of all looks.
    closing_fap: float = 5e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """One look at the n objects of a panel, thresholds applied. ``period`` nan: a single event."""

    examination: int
    visit: int
    closing: bool  # no look follows
    object_id: Array  # int64 (n,)
    crossed: Array  # bool (n,)
    sure: Array  # bool (n,): crossed, and enough for a closing look alone
    echo: Array  # bool (n,): mirrors another star; never crossed
    kind: Array  # uint8 (n,)
    period: Array  # float64 (n,) [day]
    period_err: Array  # float64 (n,) [day]
    significance: Array  # float32 (n,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """The look as it will be remembered, and which objects get an alert."""

    examination: Examination
    reason: tuple[str, ...]  # (n,) empty: no alert
    replaces: tuple[str, ...]  # (n,) id of the alert before; empty: there was none

    def rows(self) -> list[int]:
        """Return the rows of the objects that get an alert, in order."""
        return [row for row, reason in enumerate(self.reason) if reason]


def decide(findings: Findings, previous: Examination | None, rules: Rules) -> Decision:
    """Compare a look with the one before it.

    Parameters
    ----------
    findings
        This look.
    previous
        The examination of the same panel before it; None: there was none. Objects are matched by
        their id; the panel may have gained some since.
    """
    before = aligned(previous, findings.object_id)
    reason = reasons(findings, before, rules)
    sent = np.array([bool(text) for text in reason], dtype=bool)
    return Decision(
        examination=_remember(findings, before, reason, sent),
        reason=tuple(reason),
        replaces=before.alert_id,
    )


def reasons(now: Findings, before: Examination, rules: Rules) -> list[str]:
    """Return per object why an alert is due, or an empty string."""
    crossed = now.crossed.astype(bool)
    crossed_before = before.crossed.astype(bool)
    alerted = np.array([bool(text) for text in before.alert_id], dtype=bool)
    standing = alerted & (before.alert_kind != NONE)
    same_period = agree(now.period, now.period_err, before.period, before.period_err, rules)
    final = crossed & now.sure if now.closing else np.zeros_like(crossed)
    steady = (crossed & crossed_before & same_period) | final
    same_class = (now.kind == before.kind) | final
    first_period = ~np.isfinite(before.alert_period) & np.isfinite(now.period)
    threshold = rules.significance_factor * before.alert_significance
    doubled = (threshold > 0) & (now.significance.astype(np.float32) >= threshold)
    periodic = standing & np.isfinite(before.alert_period)
    tells = ~periodic | np.isfinite(now.period)
    settled = _unmoved(now, before, rules) | final
    choices = [
        (standing & now.echo, WITHDRAWN),
        (periodic & ~crossed & ~crossed_before, WITHDRAWN),
        (standing & tells & steady & same_class & (now.kind != before.alert_kind), CLASS),
        (alerted & ~standing & steady & same_class, CLASS),
        (standing & crossed & first_period, PERIOD),
        (standing & settled & moved(now, before, rules), PERIOD),
        (standing & tells & crossed & doubled, DOUBLED),
        (~alerted & steady & ~np.isfinite(now.period), SINGLE),
        (~alerted & steady, FIRST),
    ]
    masks = [mask for mask, _ in choices]
    return [str(text) for text in np.select(masks, [text for _, text in choices], default="")]


def agree(period: Array, err: Array, other: Array, other_err: Array, rules: Rules) -> Array:
    """Return where two looks saw the same period or simple multiples of it, bool (n,).

    A look that saw a single event (nan) agrees with any period.
    """
    unknown = ~np.isfinite(period) | ~np.isfinite(other)
    ratio = np.where(unknown, 1.0, period / np.where(unknown, 1.0, other))
    slack = np.maximum(rules.period_agreement, MATCH_SIGMAS * _relative(period, err, other_err))
    targets = np.array(SIMPLE_RATIOS)[:, None]
    near = np.abs(ratio[None, :] / targets - 1.0) <= slack[None, :]
    return unknown | near.any(axis=0)


def moved(now: Findings, before: Examination, rules: Rules) -> Array:
    """Return where the period differs from the alerted one by more than is left unsaid."""
    known = np.isfinite(now.period) & np.isfinite(before.alert_period)
    alerted = np.where(known, before.alert_period, 1.0)
    return known & (np.abs(now.period / alerted - 1.0) > rules.period_change)


def _unmoved(now: Findings, before: Examination, rules: Rules) -> Array:
    """Return where this look and the one before it crossed with the very same period."""
    both = now.crossed.astype(bool) & before.crossed.astype(bool)
    known = both & np.isfinite(now.period) & np.isfinite(before.period)
    last = np.where(known, before.period, 1.0)
    slack = np.maximum(
        rules.period_change, MATCH_SIGMAS * _relative(last, now.period_err, before.period_err)
    )
    return known & (np.abs(now.period / last - 1.0) <= slack)


def _relative(period: Array, err: Array, other_err: Array) -> Array:
    """Return the relative error of the difference of two periods; zero where unknown, <= 10 %."""
    total = np.hypot(np.nan_to_num(err), np.nan_to_num(other_err))
    safe = np.where(np.isfinite(period) & (period > 0), period, np.inf)
    return np.minimum(total / safe, 0.1 / MATCH_SIGMAS)


def _remember(now: Findings, before: Examination, reason: list[str], sent: Array) -> Examination:
    withdrawn = np.array([text == WITHDRAWN for text in reason], dtype=bool)
    kind = np.where(withdrawn, NONE, now.kind)
    ids = tuple(
        alert_id(int(object_id), now.visit, now.examination, text) if text else last
        for object_id, text, last in zip(now.object_id, reason, before.alert_id, strict=True)
    )
    return Examination(
        examination=now.examination,
        visit=now.visit,
        object_id=now.object_id.astype(np.int64),
        crossed=now.crossed.astype(np.uint8),
        kind=now.kind.astype(np.uint8),
        period=now.period.astype(np.float64),
        period_err=now.period_err.astype(np.float64),
        significance=now.significance.astype(np.float32),
        alert_id=ids,
        alert_kind=np.where(sent, kind, before.alert_kind).astype(np.uint8),
        alert_period=np.where(sent, now.period, before.alert_period).astype(np.float64),
        alert_significance=np.where(sent, now.significance, before.alert_significance).astype(
            np.float32
        ),
    )


def aligned(previous: Examination | None, object_id: Array) -> Examination:
    """Return the look before, in the order of ``object_id``; blank for objects it did not hold."""
    blank = _blank(object_id)
    if previous is None or len(previous.object_id) == 0:
        return blank
    order = np.argsort(previous.object_id, kind="stable")
    place = np.searchsorted(previous.object_id, object_id, sorter=order)
    rows = order[np.minimum(place, len(order) - 1)]
    found = previous.object_id[rows] == object_id

    def pick(name: str) -> Array:
        return np.where(found, getattr(previous, name)[rows], getattr(blank, name))

    ids = tuple(previous.alert_id[r] if f else "" for r, f in zip(rows, found, strict=True))
    columns = ("crossed", "kind", "period", "period_err", "significance")
    alert_columns = ("alert_kind", "alert_period", "alert_significance")
    return Examination(
        examination=previous.examination,
        visit=previous.visit,
        object_id=object_id,
        alert_id=ids,
        **{name: pick(name) for name in columns + alert_columns},
    )


def _blank(object_id: Array) -> Examination:
    n = len(object_id)
    return Examination(
        examination=0,
        visit=0,
        object_id=object_id,
        crossed=np.zeros(n, np.uint8),
        kind=np.zeros(n, np.uint8),
        period=np.full(n, np.nan),
        period_err=np.full(n, np.nan),
        significance=np.zeros(n, np.float32),
        alert_id=("",) * n,
        alert_kind=np.zeros(n, np.uint8),
        alert_period=np.full(n, np.nan),
        alert_significance=np.full(n, np.nan, np.float32),
    )
