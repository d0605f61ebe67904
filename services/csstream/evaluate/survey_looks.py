"""The repeatable stage of a survey: every look at a cell's panels, as the classifier takes them.

The schedule, the search and the rules are the services' own functions; only the messages between
them are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.alerting.decisions import NONE
from csstream.alerting.judging import AlertRules, Judgement, Look, judge
from csstream.alerting.mirrors import Neighbourhood, neighbourhood
from csstream.alerting.schedule import Schedule
from csstream.contracts.cells import centre_of
from csstream.contracts.records import Examination
from csstream.evaluation.curve_store import FieldCurves
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.timeseries.barycentre import bjd_tdb
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]
Search = Callable[[Array, Array, Array], ExaminationResult]
LAST_LOOKS = 3  # before the closing one, taken whatever is left out


@dataclass(frozen=True, kw_only=True, eq=False)
class ObjectVerdicts:
    """What came of every object of a field; all arrays (n,), in the order of its list."""

    alerted: npt.NDArray[np.bool_]  # at any look
    standing: npt.NDArray[np.bool_]  # at the end: not withdrawn
    single: npt.NDArray[np.bool_]  # the last alert tells of one event, without a period
    kind: npt.NDArray[np.uint8]  # of the last alert, code in KINDS
    period: Array  # [day] of the last alert; nan: none
    first_epochs: npt.NDArray[np.int64]  # epochs at the first alert; 0: none
    alerts: npt.NDArray[np.int64]  # sent in all, withdrawals too
    looks: npt.NDArray[np.int64]
    mirror_of: npt.NDArray[np.int64]  # object id of the source at the closing look; 0: none
    # of the closing look, whatever its verdict
    crossed: npt.NDArray[np.bool_]
    shortlisted: npt.NDArray[np.bool_]
    look_kind: npt.NDArray[np.uint8]
    look_period: Array  # [day]
    look_t0: Array  # [day] BJD TDB
    look_duration: Array  # [day]
    look_depth: Array
    fap: Array
    snr_bls: Array
    snr_pink: Array
    snr_amplitude: Array
    power_ls: Array
    chance: Array  # that the star varies, by the network

    def __len__(self) -> int:
        return len(self.alerted)


@dataclass(frozen=True, kw_only=True)
class LookRules:
    """How curves are looked at and judged."""

    search: Search
    rules: AlertRules
    schedule: Schedule
    every: int = 1  # of the scheduled looks only each so-many-th, and the last ones; 1: all


def examine_field(
    curves: FieldCurves, rules: LookRules, progress: Callable[[int], None] = lambda looks: None
) -> ObjectVerdicts:
    """Take all looks at a field, cell by cell, the closing one last.

    ``progress`` is called with 1 after each look at a panel.
    """
    columns = _blank(len(curves.objects.object_id))
    panels: dict[int, list[tuple[int, Array]]] = {}
    for cell, panel, rows in curves.panels():
        panels.setdefault(cell, []).append((panel, rows))
    for cell, members in panels.items():
        _Cell(cell, members, curves, rules).examine(columns, progress)
    return ObjectVerdicts(**columns)


def look_epochs(schedule: Schedule, cell: int, panel: int, epochs: int, every: int) -> list[int]:
    """Return the numbers of epochs at which a panel is looked at, the closing look left out."""
    due, count = [], schedule.count_from(cell, panel, 1)
    while count <= epochs:
        due.append(count)
        count = schedule.count_from(cell, panel, count + 1)
    kept = due[-LAST_LOOKS:]
    earlier = due[: len(due) - len(kept)]
    return earlier[::-1][::every][::-1] + kept if every > 1 else due


def number_of_looks(curves: FieldCurves, rules: LookRules) -> int:
    """Return how many looks at panels a field takes, the closing ones too."""
    m = curves.time.size
    return sum(
        len(look_epochs(rules.schedule, cell, panel, m, rules.every)) + 1
        for cell, panel, _ in curves.panels()
    )


class _Cell:
    """The panels of one cell, and what is remembered of each."""

    def __init__(
        self, cell: int, members: list[tuple[int, Array]], curves: FieldCurves, rules: LookRules
    ) -> None:
        self.members, self.curves, self.rules = members, curves, rules
        order = np.argsort(curves.time, kind="stable")
        self.order, self.time = order, bjd_tdb(curves.time[order], *centre_of(cell))
        self.memory: list[Examination | None] = [None] * len(members)
        self.around: list[Neighbourhood | None] = [None] * len(members)
        m, s = curves.time.size, rules.schedule
        self.due = [
            (epochs, number)
            for number, (panel, _) in enumerate(members)
            for epochs in look_epochs(s, cell, panel, m, rules.every)
        ]
        self.due.sort()

    def examine(self, columns: dict[str, Array], progress: Callable[[int], None]) -> None:
        """Take all looks in order of their epochs, then the closing ones."""
        for epochs, number in self.due:
            self._look(number, epochs, False, columns)
            progress(1)
        for number in range(len(self.members)):
            self._look(number, self.curves.time.size, True, columns)
            progress(1)

    def _look(self, number: int, epochs: int, closing: bool, columns: dict[str, Array]) -> None:
        rows, before = self.members[number][1], self.memory[number]
        look = self._cut(number, epochs, closing)
        error = self.curves.flux_err[rows][:, self.order[:epochs]]
        result = self.rules.search(look.time, look.flux, error)
        around = [a for k, a in enumerate(self.around) if a is not None and k != number]
        judgement = judge(look, result, previous=before, around=around, rules=self.rules.rules)
        decided = judgement.decision.examination
        self.memory[number], self.around[number] = decided, neighbourhood(decided)
        _note_alerts(columns, rows, judgement, epochs)
        if closing:
            _note_end(columns, rows, judgement, result)

    def _cut(self, number: int, epochs: int, closing: bool) -> Look:
        rows, before = self.members[number][1], self.memory[number]
        objects, used = self.curves.objects, self.order[:epochs]
        flux = self.curves.flux[rows][:, used]
        bad = (self.curves.flags[rows][:, used] & int(UNRELIABLE)) != 0
        return Look(
            examination=1 if before is None else before.examination + 1,
            visit=epochs,
            closing=closing,
            object_id=objects.object_id[rows],
            ra=objects.ra[rows],
            dec=objects.dec[rows],
            time=self.time[:epochs],
            flux=np.where(bad, np.float32(np.nan), flux),
        )


def _blank(n: int) -> dict[str, Array]:
    columns: dict[str, Array] = {f.name: np.full(n, np.nan) for f in fields(ObjectVerdicts)}
    for name in ("alerted", "standing", "single", "crossed", "shortlisted"):
        columns[name] = np.zeros(n, bool)
    for name in ("kind", "look_kind"):
        columns[name] = np.zeros(n, np.uint8)
    for name in ("first_epochs", "alerts", "looks", "mirror_of"):
        columns[name] = np.zeros(n, np.int64)
    return columns


def _note_alerts(columns: dict[str, Array], rows: Array, judgement: Judgement, epochs: int) -> None:
    sent = rows[judgement.decision.rows()]
    new = sent[~columns["alerted"][sent]]
    columns["first_epochs"][new] = epochs
    columns["alerted"][sent] = True
    columns["alerts"][sent] += 1
    columns["looks"][rows] += 1


def _note_end(
    columns: dict[str, Array], rows: Array, judgement: Judgement, result: ExaminationResult
) -> None:
    last = judgement.decision.examination
    has = np.array([bool(text) for text in last.alert_id], bool)
    columns["standing"][rows] = has & (last.alert_kind != NONE)
    columns["kind"][rows] = last.alert_kind
    columns["period"][rows] = last.alert_period
    columns["single"][rows] = columns["standing"][rows] & ~np.isfinite(last.alert_period)
    place = {int(i): k for k, i in enumerate(last.object_id)}
    for mirror, source in zip(last.mirror_id, last.mirror_source, strict=True):
        if int(mirror) in place:
            columns["mirror_of"][rows[place[int(mirror)]]] = source
    for name in ("crossed", "shortlisted", "fap", "snr_bls", "snr_pink", "snr_amplitude",
                 "power_ls"):  # fmt: skip
        columns[name][rows] = getattr(result, name)
    for name in ("kind", "period", "t0", "duration", "depth"):
        columns[f"look_{name}"][rows] = getattr(result, name)
    columns["chance"][rows] = 1.0 - result.probabilities[:, 0]
