"""The classifier as a process: the one place that reads settings and builds clients.

Nothing here imports an array library until thread counts are set: with more threads, sums are
taken in another order, and a replay would not give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from csstream.classifier.settings import ClassifierSettings

if TYPE_CHECKING:
    from csstream.alerting.judging import AlertRules
    from csstream.classifier.examiner import Examiner
    from csstream.runtime.service import Context

SERVICE: Final = "classifier"
THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def main(settings: ClassifierSettings | None = None) -> int:
    """Run the classifier until SIGTERM or SIGINT; return the exit code of the process."""
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
    from csstream.runtime.service import run_service

    return run_service(SERVICE, settings or ClassifierSettings(), build)


def build(settings: ClassifierSettings, context: Context) -> Callable[[], None]:
    """Warm up, connect, and return what to run."""
    from csstream.runtime.kafka import make_consumer, make_producer

    examiner = make_examiner(settings, context)
    producer = make_producer(settings, f"csstream-{SERVICE}")
    side = make_consumer(settings, None, f"csstream-{SERVICE}-verdicts")
    consumer = make_consumer(settings, settings.group_id(SERVICE), f"csstream-{SERVICE}")
    worker = _worker(settings, context, examiner, (producer, side, consumer))

    def run() -> None:
        try:
            worker.run()
        finally:
            side.close(autocommit=False)
            producer.close(timeout=10)

    return run


def make_examiner(settings: ClassifierSettings, context: Context) -> Examiner:
    """Open the network, compile all kernels and return the science with its settings."""
    from csstream.classifier.alerts import Versions
    from csstream.classifier.examiner import Examiner
    from csstream.classifier.network import open_network
    from csstream.runtime.service import code_version
    from csstream.timeseries.examine import examine_panel, warm_up

    network = open_network(settings.weights, settings.provider)
    context.metrics.provider.labels(network.provider, network.model).set(1)
    warm_up()
    science = settings.search()
    return Examiner(
        search=lambda time, flux, err: examine_panel(time, flux, err, science, network.predict),
        rules=alert_rules(settings),
        versions=Versions(classifier_model=network.model, code_version=code_version()),
    )


def alert_rules(settings: ClassifierSettings) -> AlertRules:
    """Return the rules between an examination and an alert."""
    from csstream.alerting.decisions import Rules
    from csstream.alerting.judging import AlertRules
    from csstream.alerting.mirrors import MirrorRules
    from csstream.alerting.single_events import SingleEventRules

    return AlertRules(
        decisions=Rules(
            period_agreement=settings.period_agreement,
            period_change=settings.period_change,
            significance_factor=settings.significance_factor,
            fap=settings.max_fap,
            closing_fap=settings.closing_share * settings.max_fap,
        ),
        single_events=SingleEventRules(fap=settings.single_event_fap),
        mirrors=MirrorRules(radius_arcsec=settings.mirror_radius_arcsec),
    )


def _worker(
    settings: ClassifierSettings, context: Context, examiner: Examiner, clients: tuple[Any, ...]
) -> Any:
    from csstream.classifier.gathering import Gatherer
    from csstream.classifier.handler import PanelHandler
    from csstream.classifier.memory import Memory
    from csstream.classifier.ownership import Ownership
    from csstream.classifier.verdict_reader import verdict_reader
    from csstream.runtime.dead_letters import DeadLetterProducer
    from csstream.runtime.kafka import Worker, send_all

    producer, side, consumer = clients
    topics, metrics = settings.topics(), context.metrics
    memory, gatherer = Memory(verdict_reader(side, topics.verdicts.name)), Gatherer()
    handler = PanelHandler(
        memory=memory,
        gatherer=gatherer,
        examiner=examiner,
        send=lambda messages: send_all(producer, messages),
        topics=topics,
        metrics=metrics,
    )
    ownership = Ownership(memory, gatherer, context.retries, context.stop)
    return Worker(
        consumer,
        handler,
        topics=[topics.lightcurves.name],
        stage=SERVICE,
        dead_letters=DeadLetterProducer(producer, topics.dead_letters(SERVICE), SERVICE, metrics),
        metrics=metrics,
        stop=context.stop,
        retries=context.retries,
        on_assigned=ownership.assigned,
        on_revoked=ownership.revoked,
        health=context.health,
        commit_when=handler.may_commit,
    )
