"""Decode a panel, gather its parts, delegate, and send: alerts, then the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from csstream.alerting.identity import object_key, panel_key
from csstream.classifier.alerts import thin
from csstream.classifier.examiner import Examiner, Outcome
from csstream.classifier.gathering import Gatherer
from csstream.classifier.memory import Memory
from csstream.contracts.codec import decode, encode
from csstream.contracts.headers import ANNOUNCED_MS, SENT_MS, STAGE, find_header, text_header
from csstream.contracts.records import Panel
from csstream.contracts.topics import Topics
from csstream.runtime.logging import get_logger
from csstream.runtime.messages import Message, Outgoing
from csstream.runtime.metrics import Metrics

STAGE_NAME = "classifier"
Send = Callable[[Iterable[Outgoing]], None]


class PanelHandler:
    """Handles the messages of the topic ``lightcurves``; returns when all results are acknowledged.

    The alerts of a panel are acknowledged before its verdict is sent, so a verdict in the memory
    says that nothing of it is missing; a panel whose verdict is missing gives the same bytes again.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        gatherer: Gatherer,
        examiner: Examiner,
        send: Send,
        topics: Topics,
        metrics: Metrics,
    ) -> None:
        self._memory = memory
        self._gatherer = gatherer
        self._examiner = examiner
        self._send = send
        self._topics = topics
        self._metrics = metrics
        self._log = get_logger(STAGE_NAME)

    def __call__(self, message: Message) -> None:
        """Handle one message; raises BadInputError for bytes that are no panel."""
        panel = self._gatherer.add(message.partition, decode(message.value, Panel))
        if panel is None:
            return
        past = self._memory.past(message.partition, panel.cell, panel.panel, panel.examination)
        around = self._memory.around(message.partition, panel.cell, panel.panel)
        if past.standing != "new":
            self._metrics.duplicates.labels(STAGE_NAME).inc()
        if past.standing == "stale":
            return
        started = time.monotonic()
        outcome = self._examiner.look(panel, past.predecessor, around, past.same)
        self._metrics.step_seconds.labels(STAGE_NAME, "examine").observe(time.monotonic() - started)
        self._deliver(message, panel, outcome)

    def may_commit(self, message: Message) -> bool:
        """Return whether the partition is at the boundary of a panel."""
        return not self._gatherer.incomplete(message.partition)

    def _deliver(self, message: Message, panel: Panel, outcome: Outcome) -> None:
        headers = _headers(message)
        alerts = self._alert_messages(message.partition, outcome, headers)
        if alerts:
            self._send(alerts)
        verdict = encode(outcome.verdicts)
        key = panel_key(panel.cell, panel.panel)
        topic = self._topics.verdicts.name
        self._send([Outgoing(topic, message.partition, key, verdict, headers)])
        self._memory.put(message.partition, panel.cell, panel.panel, verdict)
        self._count(message, panel, outcome)

    def _alert_messages(
        self, partition: int, outcome: Outcome, headers: list[tuple[str, bytes]]
    ) -> list[Outgoing]:
        whole, latest = self._topics.alerts.name, self._topics.alerts_latest.name
        messages = []
        for alert in outcome.alerts:
            key = object_key(alert.object_id)
            messages.append(Outgoing(whole, partition, key, encode(alert), headers))
            messages.append(Outgoing(latest, partition, key, encode(thin(alert)), headers))
        return messages

    def _count(self, message: Message, panel: Panel, outcome: Outcome) -> None:
        self._metrics.examinations.inc()
        self._metrics.messages_out.labels(STAGE_NAME, self._topics.verdicts.name).inc()
        for alert in outcome.alerts:
            self._metrics.alerts.labels(alert.kind, alert.reason).inc()
            for topic in (self._topics.alerts, self._topics.alerts_latest):
                self._metrics.messages_out.labels(STAGE_NAME, topic.name).inc()
        announced = find_header(message.headers, ANNOUNCED_MS)
        if announced is not None and announced.isdigit():
            self._metrics.latency_seconds.labels(STAGE_NAME).observe(
                max(0.0, time.time() - int(announced) / 1000)
            )
        self._log.info(
            "examined",
            cell=panel.cell,
            panel=panel.panel,
            examination=panel.examination,
            visit=panel.visit,
            objects=len(panel.object_id),
            epochs=len(panel.mjd_mid_tai),
            alerts=[f"{a.object_id} {a.kind} {a.reason}" for a in outcome.alerts],
        )


def _headers(message: Message) -> list[tuple[str, bytes]]:
    """Return what may differ between two runs: times, never in a body."""
    headers = [text_header(STAGE, STAGE_NAME), text_header(SENT_MS, int(time.time() * 1000))]
    announced = find_header(message.headers, ANNOUNCED_MS)
    if announced is not None:
        headers.append(text_header(ANNOUNCED_MS, announced))
    return headers
