"""The run: a broker, every service as its own process, frames in, alerts and a report out."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console

from csstream.contracts.errors import FatalError
from csstream.instruments.instrument import InstrumentError, load_instrument
from csstream.run.apache import ApacheBroker
from csstream.run.brokers import Broker, BrokerError, EmbeddedBroker, free_port
from csstream.run.feed import Feed
from csstream.run.interrupted import Interrupted
from csstream.run.live import LiveView, Picture, PlainView, make_view
from csstream.run.options import Places, RunOptions
from csstream.run.programs import (
    PUBLISHER,
    REFERENCE,
    SERVICES,
    STOP_ORDER,
    publisher_program,
    ready_services,
    service_program,
    simulator_program,
)
from csstream.run.progress import Follower, Lag
from csstream.run.reference import ReferenceStep
from csstream.run.supervisor import Supervisor, last_words
from csstream.run.tally import Tally
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import make_admin
from csstream.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from csstream.run.outcome import Outcome

LOOK_INTERVAL = 1.0  # [s] between two looks at lag and readiness
POLL = 0.2  # [s]


@dataclass
class Stage:
    """What goes on while a run works."""

    supervisor: Supervisor
    follower: Follower
    feed: Feed | None
    reference: ReferenceStep
    ports: dict[str, int]
    tally: Tally
    view: LiveView | PlainView
    began: float
    ready: set[str] = field(default_factory=set)
    lags: dict[str, Lag] = field(default_factory=dict)
    startup: float = 0.0  # [s] until every service was ready
    last_look: float = 0.0
    last_progress: float = 0.0
    last_picture: tuple[object, ...] = ()
    publishing: bool = False
    decided: float = 0.0  # [s] until it was known what frames are announced with


def run(options: RunOptions, console: Console) -> int:
    """Do the whole run and return the exit code: 0 when all work was done, else 1.

    Raises
    ------
    FatalError, BrokerError
        The run cannot start: the text says why.
    """
    began = time.monotonic()
    _check(options)
    places = Places(options.out.absolute())
    places.make()
    interrupted = Interrupted()
    with interrupted.watching(), ExitStack() as stack:
        settings = _broker_settings(options, places, stack, console)
        with closing(make_admin(settings)) as admin:
            create_topics(admin, settings.topics())
        supervisor = Supervisor(places.logs)
        stack.callback(supervisor.kill)
        stage = _start(options, places, settings, supervisor, stack, console, began)
        problems = _work(stage, options, places, settings, interrupted)
        outcome = _finish(stage, options, places, settings, problems)
    if not options.keep:
        _tidy(places)
    _say_end(console, places, outcome)
    return 0 if outcome.complete else 1


def _check(options: RunOptions) -> None:
    try:
        load_instrument(options.instrument)
    except InstrumentError as error:
        raise FatalError(str(error)) from error
    for path in options.exposures:
        if not path.exists():
            raise FatalError(f"{path}: no such file or directory")
    if options.reference is not None and not options.reference.is_file():
        raise FatalError(f"{options.reference}: no such reference catalogue")
    if options.out.exists() and any(options.out.iterdir()):
        raise FatalError(f"{options.out} is not empty: name a new directory with --out")


def _broker_settings(
    options: RunOptions, places: Places, stack: ExitStack, console: Console
) -> ServiceSettings:
    """Start a broker, unless one was named, and return how to reach it."""
    if options.bootstrap_servers is not None:
        return ServiceSettings(
            bootstrap_servers=options.bootstrap_servers,
            topic_prefix=options.topic_prefix,
        )
    kind: type[Broker] = ApacheBroker if options.broker == "apache" else EmbeddedBroker
    try:
        broker = stack.enter_context(kind(directory=places.broker))
    except BrokerError as error:
        raise FatalError(str(error)) from error
    console.print(f"{options.broker} broker on {broker.bootstrap_servers}", highlight=False)
    return ServiceSettings(
        bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=options.topic_prefix,
    )


def _start(
    options: RunOptions,
    places: Places,
    settings: ServiceSettings,
    supervisor: Supervisor,
    stack: ExitStack,
    console: Console,
    began: float,
) -> Stage:
    """Start every process and return what the main loop works with."""
    tally = Tally()
    follower = stack.enter_context(closing(Follower(settings, tally)))
    ports = {service: free_port() for service in SERVICES}
    for service, port in ports.items():
        supervisor.start(service_program(service, options, places, settings, port))
    if options.simulated:
        supervisor.start(simulator_program(options, places))
    # seconds of imports that only the end needs, while the services warm up
    threading.Thread(
        target=importlib.import_module, args=("csstream.run.outcome",), daemon=True
    ).start()
    view = make_view(console, live=options.live)
    stack.enter_context(view)
    feed = Feed(places.made, places.exposures) if options.simulated else None
    reference = ReferenceStep(options, places, supervisor)
    return Stage(
        supervisor, follower, feed, reference, ports, tally, view, began, last_progress=began
    )


def _announce_when_decided(
    stage: Stage, options: RunOptions, places: Places, settings: ServiceSettings
) -> None:
    """Start the publisher once the reference catalogue is there, or is known not to come."""
    stage.reference.step()
    if stage.reference.decided and not stage.publishing:
        catalogue = stage.reference.catalogue
        stage.supervisor.start(publisher_program(options, places, settings, catalogue))
        stage.publishing, stage.decided = True, time.monotonic() - stage.began


def _work(
    stage: Stage,
    options: RunOptions,
    places: Places,
    settings: ServiceSettings,
    interrupted: Interrupted,
) -> list[str]:
    """Feed, watch and show until all is done; return what went wrong."""
    while not interrupted.asked:
        stage.supervisor.tick()
        _announce_when_decided(stage, options, places, settings)
        stage.view.news(stage.follower.poll(POLL))
        if stage.feed is not None:
            stage.feed.copy_truth(places.truth)
            if "detection" in stage.ready and stage.publishing:
                stage.feed.step(stage.tally.processed)
        if time.monotonic() - stage.last_look >= LOOK_INTERVAL and _look(stage):
            return []
        stage.view.show(_picture(stage, options))
        problem = _problem(stage, options)
        if problem is not None:
            return [problem]
    return ["the run was interrupted"]


def _look(stage: Stage) -> bool:
    """Ask for lag and readiness; return whether all is done."""
    stage.last_look = time.monotonic()
    stage.lags = stage.follower.lags()
    if len(stage.ready) < len(stage.ports):
        stage.ready.update(ready_services(stage.ports))
        if len(stage.ready) == len(stage.ports):
            stage.startup = time.monotonic() - stage.began
    return stage.follower.done(stage.lags)


def _picture(stage: Stage, options: RunOptions) -> Picture:
    missing = [service for service in stage.ports if service not in stage.ready]
    tally = stage.tally
    if not stage.publishing:
        phase = stage.reference.phase()
    elif missing and not tally.processed:
        phase = f"starting {', '.join(missing)}"
    elif tally.all_reported:
        phase = "examining the last light curves"
    else:
        phase = "measuring"
    total = options.frames if options.simulated else (tally.published or None)
    return Picture(
        phase=phase,
        total=total,
        tally=tally,
        lags=stage.lags,
        processes=stage.supervisor.states(),
    )


def _problem(stage: Stage, options: RunOptions) -> str | None:
    """Return why the run must be given up, or None."""
    failed = [state for state in stage.supervisor.failed() if state.name != REFERENCE]
    if failed:
        names = ", ".join(state.name for state in failed)
        return f"{names} died too often: {last_words(failed[0].log)} (log: {failed[0].log})"
    published = stage.publishing and stage.supervisor.state(PUBLISHER).status == "finished"
    if published and not stage.tally.published and not stage.follower.poll(2.0):
        return f"no frame could be announced; see {stage.supervisor.state(PUBLISHER).log}"
    return _stall(stage, options.patience)


def _stall(stage: Stage, patience: float) -> str | None:
    tally = stage.tally
    behind = tuple(lag.behind for lag in stage.lags.values())
    made = stage.feed.moved if stage.feed else 0
    waiting = (stage.reference.standing, made, len(stage.ready))
    picture = (tally.published, tally.processed, tally.examinations, behind, *waiting)
    if picture != stage.last_picture:
        stage.last_picture, stage.last_progress = picture, time.monotonic()
    if time.monotonic() - stage.last_progress > patience:
        return f"nothing has moved for {patience:.0f} s; the services' logs may say why"
    return None


def _finish(
    stage: Stage,
    options: RunOptions,
    places: Places,
    settings: ServiceSettings,
    problems: list[str],
) -> Outcome:
    """Stop the services, then write report and summary while the broker still has the records."""
    from csstream.run.outcome import conclude

    elapsed = time.monotonic() - stage.began
    stage.view.news(stage.follower.drain())
    complete = not problems and stage.tally.processed == stage.tally.published
    processes = stage.supervisor.states()
    running = [state.name for state in processes]
    stage.supervisor.stop([name for name in STOP_ORDER if name in running])
    return conclude(
        options=options,
        places=places,
        settings=settings,
        tally=stage.tally,
        processes=processes,
        problems=problems,
        complete=complete,
        startup=stage.startup,
        reference=stage.reference,
        decided=stage.decided,
        elapsed=elapsed,
    )


def _tidy(places: Places) -> None:
    """Remove what is large and of no use after the run; report, logs and truth stay."""
    for directory in (places.made, places.exposures, places.state, places.broker):
        with contextlib.suppress(OSError):
            shutil.rmtree(directory)


def _say_end(console: Console, places: Places, outcome: Outcome) -> None:
    for line in outcome.lines():
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"report   {places.report}", highlight=False, soft_wrap=True)
    console.print(f"summary  {places.summary}", highlight=False, soft_wrap=True)
