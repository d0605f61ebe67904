"""The whole chain as processes, over frames made before, with something that disturbs it.

It is put together from the parts of ``csstream run`` (programs, supervisor, feed, follower); the
simulator is left out, so that every run sees the very same files.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from kafka import TopicPartition

from csstream.contracts.codec import decode, decode_any
from csstream.contracts.records import (
    Alert,
    ClosedMarker,
    DeadLetter,
    ExposureReport,
    Measurements,
    ThinAlert,
)
from csstream.contracts.topics import STAGES, Topic
from csstream.instruments.instrument import Pointing, load_instrument
from csstream.run.brokers import LOOPBACK, Broker, EmbeddedBroker, free_port
from csstream.run.feed import Feed
from csstream.run.options import Places, RunOptions
from csstream.run.programs import (
    PUBLISHER,
    SERVICES,
    STOP_ORDER,
    publisher_program,
    ready_services,
    service_program,
)
from csstream.run.progress import Follower
from csstream.run.supervisor import Backoff, Supervisor, last_words
from csstream.run.tally import Tally
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import Message, make_admin, make_consumer, message_of
from csstream.runtime.offsets import end_offsets
from csstream.runtime.settings import ServiceSettings
from csstream.simulation.field import FieldSettings
from csstream.simulation.survey import SurveySettings, simulate_survey

FRAMES = 64
SHAPE = (160, 160)
SPAN_S = 5 * 86400.0
# The corner that four cells share: one in each partition.
CORNER = Pointing(ra=269.208984375, dec=-29.591647276)
LOOK_INTERVAL = 1.0  # [s] between two looks at lag and readiness
PATIENT = Backoff(first=0.2, longest=1.0, give_up_after=1000)  # kills are no reason to give up
FILE_PATIENCE = "4"  # [s] until the publisher refuses an incomplete file


def make_frames(directory: Path, frames: int = FRAMES, seed: int = 7) -> list[Path]:
    """Expose a small field with bright variables; the same arguments give the same files."""
    field_settings = FieldSettings(
        shape=SHAPE, density=0.01, transits=0, eclipsing=4, pulsators=6, mag_bright=19.0
    )
    settings = SurveySettings(
        instrument=replace(load_instrument("csst-i"), pointing=CORNER),
        field=field_settings,
        frames=frames,
        interval=SPAN_S / frames,
        seed=seed,
    )
    return list(simulate_survey(settings, directory).files)


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A SIGKILL that was sent."""

    service: str
    pid: int
    processed: int  # exposures that had been processed by then
    alerts: int  # alerts that were out by then


@dataclass(frozen=True, kw_only=True)
class ChainResult:
    """What a run left on the topics, and how it went."""

    alerts: dict[str, bytes]  # alert id -> value; repeats were checked to be the same bytes
    latest: dict[bytes, bytes]  # object -> last value on alerts-latest
    reports: dict[str, ExposureReport]
    letters: list[DeadLetter]
    repeats: int  # alerts that were sent once more
    kills: list[Kill]
    restarts: dict[str, int]
    frontier: dict[int, int]  # partition -> visit
    missing: dict[int, int]  # partition -> batches announced and not arrived
    batches: list[Measurements]  # each once, by visit and cell
    seconds: float

    def same_alerts(self, other: ChainResult) -> bool:
        """Whether both runs sent the same alerts, and left the same newest ones, byte for byte."""
        return self.alerts == other.alerts and self.latest == other.latest

    def differences(self, other: ChainResult) -> str:
        """Say what differs, for a failing test."""
        lines = []
        for name in ("alerts", "latest"):
            mine, theirs = getattr(self, name), getattr(other, name)
            both = mine.keys() & theirs.keys()
            lines.append(
                f"{name}: {len(mine)} and {len(theirs)}, {len(mine.keys() - theirs.keys())} and "
                f"{len(theirs.keys() - mine.keys())} alone, "
                f"{sum(mine[key] != theirs[key] for key in both)} with other bytes"
            )
        return "; ".join(lines)

    def line(self, name: str) -> str:
        """Return one line of figures."""
        measured = sum(report.status == "measured" for report in self.reports.values())
        return (
            f"{name}: {measured} measured, {len(self.letters)} dead letters, "
            f"{len(self.alerts)} alerts ({self.repeats} sent twice), {len(self.latest)} objects, "
            f"{len(self.kills)} kills, {sum(self.restarts.values())} restarts, "
            f"{self.seconds:.0f} s"
        )


@dataclass
class Chain:
    """A running chain."""

    settings: ServiceSettings
    places: Places
    supervisor: Supervisor
    follower: Follower
    feed: Feed
    ports: dict[str, int]
    ready: set[str] = field(default_factory=set)
    kills: list[Kill] = field(default_factory=list)
    _last_look: float = 0.0

    @property
    def tally(self) -> Tally:
        return self.follower.tally

    def kill(self, service: str) -> bool:
        """Send SIGKILL; False where the process does not run, or was killed a moment ago."""
        pid = self.supervisor.state(service).pid
        if pid is None or pid in {kill.pid for kill in self.kills}:
            return False
        os.kill(pid, signal.SIGKILL)
        self.ready.discard(service)
        processed, alerts = self.tally.processed, len(self.tally.alerts)
        self.kills.append(Kill(service=service, pid=pid, processed=processed, alerts=alerts))
        return True

    def step(self) -> bool:
        """Move on by a fraction of a second; return whether all is done."""
        self.supervisor.tick()
        self.follower.poll(0.1)
        if "detection" in self.ready or self.tally.processed:
            self.feed.step(self.tally.processed)
        if time.monotonic() - self._last_look < LOOK_INTERVAL:
            return False
        self._last_look = time.monotonic()
        if len(self.ready) < len(self.ports):
            self.ready.update(ready_services(self.ports))
        published = self.supervisor.state(PUBLISHER).status == "finished"
        return self.follower.done(self.follower.lags()) and published

    def gauge(self, service: str, name: str) -> dict[int, int]:
        """Return a metric of a service by partition."""
        url = f"http://{LOOPBACK}:{self.ports[service]}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if line.startswith(f"csstream_{name}{{")]
        return {
            int(line.split('partition="')[1].split('"')[0]): int(float(line.split()[-1]))
            for line in found
        }

    def complaint(self) -> str:
        """Say how far the chain came, for a run that did not end."""
        states = self.supervisor.states()
        words = [f"{s.name} {s.status} x{s.restarts}: {last_words(s.log)}" for s in states]
        tally = self.tally
        counts = f"{tally.processed} of {tally.published} processed, {len(tally.alerts)} alerts"
        return "\n".join([counts, str(self.follower.lags()), *words])


Disturb = Callable[[Chain], None]


def calm(chain: Chain) -> None:
    """Disturb nothing."""


def run_chain(
    frames: Sequence[Path],
    out: Path,
    *,
    kind: type[Broker] = EmbeddedBroker,
    disturb: Disturb = calm,
    refused: int = 0,
    reference: Path | None = None,
    timeout: float = 240.0,
) -> ChainResult:
    """Run the chain over ``frames`` to its end and return what it left behind.

    ``disturb`` is called a few times a second. ``refused`` is how many more files it puts into the
    watched directory. ``reference`` is claimed in every announcement. AssertionError when the run
    has not ended after ``timeout`` seconds.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        chain = _start(frames, out, kind, refused, reference, stack)
        while not chain.step():
            disturb(chain)
            assert time.monotonic() - began < timeout, chain.complaint()
            assert not chain.supervisor.failed(), chain.complaint()
        # A service killed a moment ago has left all of its work done, but shows no metrics yet.
        while not _all_ready(chain):
            chain.supervisor.tick()
            assert time.monotonic() - began < timeout, chain.complaint()
        frontier = chain.gauge("lightcurves", "frontier_visit")
        missing = chain.gauge("lightcurves", "reconcile_difference")
        states = chain.supervisor.states()
        chain.supervisor.stop([name for name in STOP_ORDER if name in {s.name for s in states}])
        return _result(
            chain, time.monotonic() - began, {s.name: s.restarts for s in states}, frontier, missing
        )


def _start(
    frames: Sequence[Path],
    out: Path,
    kind: type[Broker],
    refused: int,
    reference: Path | None,
    stack: ExitStack,
) -> Chain:
    places = Places(out.absolute())
    places.make()
    places.made.mkdir()
    for path in frames:
        shutil.copyfile(path, places.made / path.name)
    broker = stack.enter_context(kind(directory=places.broker))
    settings = ServiceSettings(bootstrap_servers=broker.bootstrap_servers)
    with closing(make_admin(settings)) as admin:
        create_topics(admin, settings.topics())
    supervisor = Supervisor(places.logs, PATIENT)
    stack.callback(supervisor.kill)
    follower = stack.enter_context(closing(Follower(settings, Tally())))
    options = RunOptions(
        out=out,
        frames=len(frames) + refused,
        live=False,
        reference=reference,
        reference_frames=0,
    )
    ports = {service: free_port() for service in SERVICES}
    for service, port in ports.items():
        supervisor.start(service_program(service, options, places, settings, port))
    publisher = publisher_program(options, places, settings, reference)
    environment = {**publisher.environment, "CSSTREAM_PATIENCE": FILE_PATIENCE}
    supervisor.start(replace(publisher, environment=environment))
    return Chain(settings, places, supervisor, follower, Feed(places.made, places.exposures), ports)


def _all_ready(chain: Chain) -> bool:
    time.sleep(0.2)
    return len(ready_services(chain.ports)) == len(chain.ports)


def _result(
    chain: Chain,
    seconds: float,
    restarts: dict[str, int],
    frontier: dict[int, int],
    missing: dict[int, int],
) -> ChainResult:
    topics = chain.settings.topics()
    alerts, repeats = _alerts(read_topic(chain.settings, topics.alerts))
    latest = {m.key: m.value for m in read_topic(chain.settings, topics.alerts_latest)}
    for value in latest.values():
        decode(value, ThinAlert)
    reports = read_topic(chain.settings, topics.exposure_reports)
    letters = [
        decode(message.value, DeadLetter)
        for stage in STAGES
        for message in read_topic(chain.settings, topics.dead_letters(stage))
    ]
    return ChainResult(
        alerts=alerts,
        latest=latest,
        reports={r.exposure_id: r for r in (decode(m.value, ExposureReport) for m in reports)},
        letters=letters,
        repeats=repeats,
        kills=chain.kills,
        restarts=restarts,
        frontier=frontier,
        missing=missing,
        batches=_batches(read_topic(chain.settings, topics.measurements)),
        seconds=seconds,
    )


def _alerts(messages: Sequence[Message]) -> tuple[dict[str, bytes], int]:
    versions: dict[str, set[bytes]] = defaultdict(set)
    for message in messages:
        alert = decode(message.value, Alert)
        assert message.key == alert.object_id.to_bytes(8, "big")
        versions[alert.alert_id].add(message.value)
    assert all(len(values) == 1 for values in versions.values()), "a repeated alert has new bytes"
    alerts = {alert_id: next(iter(values)) for alert_id, values in versions.items()}
    return alerts, len(messages) - len(alerts)


def _batches(messages: Sequence[Message]) -> list[Measurements]:
    kinds = (Measurements, ClosedMarker)
    records = [decode_any(m.value, kinds) for m in messages if m.key is not None]
    found = {(r.visit, r.cell): r for r in records if isinstance(r, Measurements)}
    return [found[place] for place in sorted(found)]


def read_topic(settings: ServiceSettings, topic: Topic) -> list[Message]:
    """Return every message of a topic, partition by partition, up to its true end."""
    found: list[Message] = []
    places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    with closing(make_consumer(settings, None, "test-ends")) as consumer:
        ends = end_offsets(consumer, places)
    with closing(make_consumer(settings, None, "test-reader")) as consumer:
        consumer.assign(places)
        consumer.seek_to_beginning()
        while any(consumer.position(place) < end for place, end in ends.items()):
            for batch in consumer.poll(timeout_ms=500).values():
                found += [message_of(record) for record in batch]
    return sorted(found, key=lambda message: (message.partition, message.offset))
