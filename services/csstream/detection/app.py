"""The detection service's composition root."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from csstream.contracts.errors import FatalError
from csstream.detection.claim_check import ClaimChecker
from csstream.detection.handler import DetectionHandler
from csstream.detection.measuring import FrameMeasurer
from csstream.detection.outlet import NAME, Outlet
from csstream.detection.settings import DetectionSettings
from csstream.detection.strategies import Station, make_stations
from csstream.detection.warm_up import warm_up
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.kafka import Worker, make_consumer, make_producer
from csstream.runtime.logging import get_logger
from csstream.runtime.service import Context, run_service


def main(settings: DetectionSettings) -> int:
    """Measure announced exposures until told to stop; return the process's exit code."""
    return run_service(NAME, settings, build)


def build(settings: DetectionSettings, context: Context) -> Callable[[], None]:
    """Load networks, compile kernels, connect; return the function that does the work."""
    stations = _stations(settings)
    for station in stations.values():
        warm_up(station)
        strategy = station.strategy
        context.metrics.provider.labels(strategy.provider or "none", strategy.model).set(1)
    get_logger(NAME).info("warm", instruments=list(stations))
    checker = ClaimChecker(roots=settings.allowed_roots, max_bytes=settings.max_frame_bytes)
    topics = settings.topics()
    producer = make_producer(settings, NAME)
    handler = DetectionHandler(
        FrameMeasurer(stations, checker).measure,
        Outlet(producer, topics, context.metrics),
        context.metrics,
        settings.margin_match_radii,
        settings.method,
    )
    letters = DeadLetterProducer(producer, topics.dead_letters(NAME), NAME, context.metrics)

    def run() -> None:
        with closing(producer):
            worker = Worker(
                make_consumer(settings, settings.group_id(NAME), NAME),
                handler,
                topics=[topics.exposures.name],
                stage=NAME,
                dead_letters=letters,
                metrics=context.metrics,
                stop=context.stop,
                retries=context.retries,
                health=context.health,
            )
            worker.run()

    return run


def _stations(settings: DetectionSettings) -> dict[str, Station]:
    if not settings.instruments:
        raise FatalError("no instruments: name at least one with --instruments")
    return make_stations(
        settings.instruments,
        method=settings.method,
        provider=settings.provider,
        threads=settings.threads,
        match_radius_fwhm=settings.match_radius_fwhm,
    )
