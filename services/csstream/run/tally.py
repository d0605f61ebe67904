"""What a run has done so far, added up from the records on the topics. Pure: no Kafka here.

Records may be repeated (delivery is at least once); each counts once, by its identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from csstream.contracts.records import (
    Alert,
    DeadLetter,
    Examination,
    Exposure,
    ExposureReport,
    Verdicts,
)


@dataclass(frozen=True, kw_only=True)
class ReportedExposure:
    """An exposure report and the broker's time stamp of it."""

    report: ExposureReport
    reported_ms: int

    @property
    def latency(self) -> float:
        """[s] from the announcement's time stamp to the report's."""
        return (self.reported_ms - self.report.announced_ms) / 1000.0


@dataclass(frozen=True, kw_only=True)
class ReceivedAlert:
    """An alert and the broker's time stamp of it."""

    alert: Alert
    sent_ms: int


@dataclass(kw_only=True)
class Span:
    """First and last time stamp of the records on a topic [ms]."""

    first_ms: int | None = None
    last_ms: int | None = None

    def add(self, time_ms: int) -> None:
        self.first_ms = time_ms if self.first_ms is None else min(self.first_ms, time_ms)
        self.last_ms = time_ms if self.last_ms is None else max(self.last_ms, time_ms)

    def seconds(self) -> float:
        """Return the time from the first to the last [s]; 0 without records."""
        if self.first_ms is None or self.last_ms is None:
            return 0.0
        return (self.last_ms - self.first_ms) / 1000.0


@dataclass(kw_only=True)
class Tally:
    """Everything that the live view and the report say about the stream."""

    exposures: dict[str, Exposure] = field(default_factory=dict)
    reports: dict[str, ReportedExposure] = field(default_factory=dict)
    alerts: dict[str, ReceivedAlert] = field(default_factory=dict)
    dead_letters: dict[tuple[str, str, int, int, str], DeadLetter] = field(default_factory=dict)
    unreadable: int = 0
    sequence_end: Exposure | None = None
    spans: dict[str, Span] = field(default_factory=dict)
    panels: int = 0  # messages on the topic of panels, repeated ones too
    _objects: dict[tuple[int, int], int] = field(default_factory=dict)
    _examined: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def add(self, record: object, time_ms: int) -> bool:
        """Count a record; return whether it was new."""
        if isinstance(record, Exposure):
            return self._add_exposure(record, time_ms)
        if isinstance(record, ExposureReport):
            return self._add_report(record, time_ms)
        if isinstance(record, Verdicts):
            return self._add_verdicts(record, time_ms)
        if isinstance(record, Alert):
            return self._add_alert(record, time_ms)
        if isinstance(record, DeadLetter):
            return self._add_dead_letter(record)
        return False

    def _add_exposure(self, exposure: Exposure, time_ms: int) -> bool:
        if exposure.kind == "sequence_end":
            self.sequence_end = exposure
        else:
            self.span("exposures").add(time_ms)
        new = exposure.exposure_id not in self.exposures
        self.exposures[exposure.exposure_id] = exposure
        return new

    def _add_report(self, report: ExposureReport, time_ms: int) -> bool:
        if report.exposure_id in self.reports:
            return False
        self.reports[report.exposure_id] = ReportedExposure(report=report, reported_ms=time_ms)
        if report.status != "sequence_end":
            self.span("exposure-reports").add(time_ms)
        return True

    def _add_verdicts(self, verdicts: Verdicts, time_ms: int) -> bool:
        self.span("verdicts").add(time_ms)
        panel = (verdicts.cell, verdicts.panel)
        new = self._add_examination(panel, verdicts.latest)
        if verdicts.previous is not None:  # one that compaction took before it was seen
            self._add_examination(panel, verdicts.previous)
        return new

    def _add_examination(self, panel: tuple[int, int], examination: Examination) -> bool:
        n_objects = len(np.asarray(examination.object_id))
        key = (*panel, examination.examination)
        new = key not in self._examined
        self._examined[key] = n_objects
        self._objects[panel] = max(n_objects, self._objects.get(panel, 0))
        return new

    def _add_alert(self, alert: Alert, time_ms: int) -> bool:
        if alert.alert_id in self.alerts:
            return False
        self.span("alerts").add(time_ms)
        self.alerts[alert.alert_id] = ReceivedAlert(alert=alert, sent_ms=time_ms)
        return True

    def _add_dead_letter(self, letter: DeadLetter) -> bool:
        # a file that the publisher refused was no message: its error is what tells it from others
        key = (letter.stage, letter.topic, letter.partition, letter.offset, letter.error)
        new = key not in self.dead_letters
        self.dead_letters[key] = letter
        return new

    def note_panels(self, count: int, time_ms: int) -> None:
        """Note how many panels were cut by a moment; they are counted, not read."""
        if count > self.panels:
            self.panels = count
            self.span("lightcurves").add(time_ms)

    def span(self, topic: str) -> Span:
        """Return first and last time stamp seen on a topic."""
        return self.spans.setdefault(topic, Span())

    @property
    def published(self) -> int:
        """Exposures announced, the end of the sequence not counted."""
        return sum(e.kind == "exposure" for e in self.exposures.values())

    @property
    def processed(self) -> int:
        """Exposures measured or given up: each has its report."""
        return sum(r.report.status != "sequence_end" for r in self.reports.values())

    @property
    def given_up(self) -> int:
        """Exposures that could not be measured."""
        return sum(r.report.status == "given_up" for r in self.reports.values())

    @property
    def measured(self) -> list[ReportedExposure]:
        """Reports of the exposures that were measured, by visit and detector."""
        done = [r for r in self.reports.values() if r.report.status == "measured"]
        return sorted(done, key=lambda r: (r.report.visit, r.report.detector))

    @property
    def sources(self) -> int:
        """Stars measured, added up over the frames."""
        return sum(r.report.sources for r in self.reports.values())

    @property
    def objects(self) -> int:
        """Objects that have a light curve which was examined."""
        return sum(self._objects.values())

    @property
    def panels_examined(self) -> int:
        """Examinations of panels."""
        return len(self._examined)

    @property
    def examinations(self) -> int:
        """Examinations of light curves: one object looked at once."""
        return sum(self._examined.values())

    @property
    def all_reported(self) -> bool:
        """Whether the sequence has ended and each announced exposure has its report."""
        return self.sequence_end is not None and self.exposures.keys() <= self.reports.keys()

    def latencies(self) -> list[float]:
        """[s] from announcement to report, one per exposure that was measured."""
        return [r.latency for r in self.measured]

    def latest_alerts(self) -> list[ReceivedAlert]:
        """Return the alert that stands of each object, without those withdrawn, by object."""
        newest: dict[int, ReceivedAlert] = {}
        for received in self.alerts.values():
            held = newest.get(received.alert.object_id)
            if held is None or _order(received.alert) >= _order(held.alert):
                newest[received.alert.object_id] = received
        standing = [r for r in newest.values() if r.alert.reason != "withdrawn"]
        return sorted(standing, key=lambda r: r.alert.object_id)


def _order(alert: Alert) -> tuple[int, int]:
    return alert.visit, alert.examination
