"""The publisher's composition root."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing

from csstream.contracts.errors import FatalError
from csstream.contracts.records import ClaimCheck
from csstream.imaging.reference.checks import CatalogueError
from csstream.imaging.reference.files import read_reference
from csstream.instruments.instrument import Instrument, InstrumentError, load_instrument
from csstream.publisher.announce import Announcer
from csstream.publisher.feed import Feed, Progress
from csstream.publisher.handler import Publisher, Tally
from csstream.publisher.inspect_file import claim_check
from csstream.publisher.ledger import Ledger
from csstream.publisher.outlet import NAME, Outlet, check_topic
from csstream.publisher.settings import PublisherSettings
from csstream.publisher.visits import VisitGroups
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.kafka import make_consumer, make_producer
from csstream.runtime.logging import get_logger
from csstream.runtime.service import Context, run_service

CATALOGUE_TYPE = "application/vnd.apache.parquet"


def main(
    settings: PublisherSettings,
    progress: Progress = lambda done, total: None,
    tally: Tally | None = None,
) -> int:
    """Announce exposures until done or told to stop; return the process's exit code.

    ``tally``, where given, is filled with what became of the files.
    """
    counts = Tally() if tally is None else tally

    def build(settings: PublisherSettings, context: Context) -> Callable[[], None]:
        return build_publisher(settings, context, progress, counts)

    return run_service(NAME, settings, build)


def build_publisher(
    settings: PublisherSettings, context: Context, progress: Progress, tally: Tally
) -> Callable[[], None]:
    """Check inputs, topic and ledger; return the function that does the work."""
    _check_inputs(settings)
    resources = ExitStack()
    with ExitStack() as failing:  # closes everything when building fails half-way
        failing.callback(resources.close)
        ledger = resources.enter_context(Ledger(settings.state))
        if settings.resend:
            ledger.forget_sending()
        topics = settings.topics()
        with closing(make_consumer(settings, None, f"{NAME}-check")) as consumer:
            check_topic(consumer, topics.exposures, ledger)
        producer = resources.enter_context(closing(make_producer(settings, NAME)))
        letters = DeadLetterProducer(producer, topics.dead_letters(NAME), NAME, context.metrics)
        outlet = Outlet(producer, topics.exposures, letters, context.metrics)
        publisher = _publisher(settings, ledger, outlet, topics.exposures.partitions, tally)
        failing.pop_all()
    feed = Feed(publisher, settings, context.stop, context.retries, progress, context.health.beat)

    def run() -> None:
        with resources:
            context.health.set_ready()
            feed.run()

    return run


def _publisher(
    settings: PublisherSettings, ledger: Ledger, outlet: Outlet, partitions: int, tally: Tally
) -> Publisher:
    try:
        instrument = load_instrument(settings.instrument)
    except InstrumentError as error:
        raise FatalError(str(error)) from error
    announcer = Announcer(
        sequence=sequence_name(settings),
        instrument=instrument.name,
        partitions=partitions,
        reference_catalogue=_catalogue(settings, instrument),
    )
    return Publisher(
        ledger=ledger,
        announcer=announcer,
        instrument=instrument,
        send=outlet.send,
        report=outlet.report,
        groups=VisitGroups(settings.detectors),
        tally=tally,
    )


def _catalogue(settings: PublisherSettings, instrument: Instrument) -> ClaimCheck | None:
    """Claim the reference catalogue, after a look at what is in it."""
    path = settings.reference_catalogue
    if path is None:
        return None
    try:
        catalogue = read_reference(path)
    except CatalogueError as error:
        raise FatalError(f"--reference: {error}") from error
    if catalogue.instrument != instrument.name:
        raise FatalError(
            f"--reference: {path} was built from frames of {catalogue.instrument!r}, and those of "
            f"{instrument.name!r} are to be announced"
        )
    get_logger(NAME).info(
        "reference", file=str(path), version=catalogue.version, stars=len(catalogue.stars)
    )
    return claim_check(path, CATALOGUE_TYPE)


def sequence_name(settings: PublisherSettings) -> str:
    """Return the sequence's name: as set, or that of the first directory."""
    first = settings.inputs[0].absolute()
    directory = first if first.is_dir() else first.parent
    return settings.sequence or directory.name or "exposures"


def _check_inputs(settings: PublisherSettings) -> None:
    if not settings.inputs:
        raise FatalError("nothing to publish: name directories or FITS files")
    for path in settings.inputs:
        if not path.exists():
            raise FatalError(f"{path}: no such file or directory")
        if settings.watch and not path.is_dir():
            raise FatalError(f"{path} is no directory: --watch looks at directories")
