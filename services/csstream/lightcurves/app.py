"""Composition root of the light-curve service: the only place that builds clients and agents."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of Faust's own making
    import faust

from csstream.contracts.topics import CHANGELOG, Topics
from csstream.lightcurves.changelog import LoggedStore
from csstream.lightcurves.faust_guards import GuardedApp, Positions
from csstream.lightcurves.handler import STAGE_NAME, Handler
from csstream.lightcurves.service import FaustOutbox, Service
from csstream.lightcurves.settings import LightcurvesSettings
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import Store
from csstream.lightcurves.warm import compile_kernels
from csstream.lightcurves.watch import Watch
from csstream.runtime.metrics import Metrics
from csstream.runtime.service import Context, run_service

TABLE = CHANGELOG.removeprefix(f"csstream-{STAGE_NAME}-").removesuffix("-changelog")
BUFFERED_MESSAGES = 16  # Faust's 4096 took 2.2 GB on batches of 0.7 MB
RECOVERED_AT_ONCE = 32  # Faust's 1000 took 0.7 GB


def main(settings: LightcurvesSettings) -> int:
    """Run the service until SIGTERM; return the exit code of the process."""
    return run_service(STAGE_NAME, settings, build)


def build(settings: LightcurvesSettings, context: Context) -> Callable[[], None]:
    """Warm up; return what runs the service until ``context.stop`` is set."""
    compile_kernels()  # a compilation later could outlast the session

    async def serve() -> None:
        service = create_service(settings, context)
        await service.run(context.stop)

    return lambda: asyncio.run(serve())


def create_service(settings: LightcurvesSettings, context: Context) -> Service:
    """Build one worker. To be called in the event loop that it will run in."""
    topics, positions = settings.topics(), Positions()
    app = create_app(settings, topics, positions)
    table = create_table(app, settings, topics)
    handler = create_handler(app, table, settings, topics, context.metrics)
    source = topics.measurements.name
    watch = Watch(app, handler, positions, source, context.metrics, context.health)
    service = Service(app, handler, positions, watch)
    bind(app, service, source)
    return service


def create_app(settings: LightcurvesSettings, topics: Topics, positions: Positions) -> GuardedApp:
    """Build the Faust app; every setting that differs from Faust's own has been measured."""
    timeout = settings.request_timeout_s
    session = settings.session_timeout_ms / 1000.0
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return GuardedApp(
        settings.group_id(STAGE_NAME),
        positions=positions,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        broker_client_id=f"csstream-{STAGE_NAME}",
        datadir=settings.state_dir.absolute(),
        store="rocksdb://",
        key_serializer="raw",
        value_serializer="raw",
        autodiscover=False,
        web_enabled=False,
        broker_commit_interval=settings.commit_interval_s,
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 4.0,
        broker_request_timeout=max(timeout, session + 1.0),
        broker_max_poll_interval=3600.0,  # replaying a large cell takes its time
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id or None,
        consumer_max_fetch_size=topics.max_message_bytes,
        producer_acks=-1,
        producer_max_request_size=topics.max_message_bytes,
        producer_request_timeout=timeout,
        stream_buffer_maxsize=BUFFERED_MESSAGES,
        stream_wait_empty=False,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=topics.measurements.partitions,
        topic_replication_factor=topics.measurements.replication_factor,
    )


def create_table(app: GuardedApp, settings: LightcurvesSettings, topics: Topics) -> Any:
    """Build the table: RocksDB with small buffers, a changelog that topics.yaml declares."""
    changelog = app.topic(
        topics.changelog.name, schema=raw_schema(), partitions=topics.changelog.partitions
    )
    return app.Table(
        TABLE,
        key_type=bytes,
        value_type=bytes,
        partitions=topics.changelog.partitions,
        changelog_topic=changelog,
        recovery_buffer_size=RECOVERED_AT_ONCE,
        options={
            "block_cache_size": settings.rocksdb_cache_mib * 1024**2,
            "write_buffer_size": 8 * 1024**2,
            "max_write_buffer_number": 2,
            "max_open_files": 256,
        },
    )


def create_handler(
    app: GuardedApp, table: Any, settings: LightcurvesSettings, topics: Topics, metrics: Metrics
) -> Handler:
    """Build the handler over the app's producer and the table."""

    def make_state(store: Store) -> PartitionState:
        return PartitionState(
            store,
            settings.rules(),
            max_panel_bytes=int(settings.max_panel_mib * 1024**2),
            cache_bytes=settings.cache_mib * 1024**2,
        )

    return Handler(
        LoggedStore(app, table, topics.changelog.name),
        FaustOutbox(app),
        make_state,
        lightcurves=topics.lightcurves.name,
        dead_letters=topics.dead_letters(STAGE_NAME).name,
        partitions=topics.measurements.partitions,
        metrics=metrics,
    )


def bind(app: GuardedApp, service: Service, source: str) -> None:
    """Let the app's one agent and its rebalance signal call the service."""

    async def take_in(stream: Any) -> None:
        async for event in stream.noack().events():
            await service.on_event(event)

    async def revoked(app: Any, partitions: Any, **_: Any) -> None:
        await service.on_revoked(partitions)

    topic = app.topic(source, schema=raw_schema())
    app.agent(topic, concurrency=1, name="take_in")(take_in)
    app.on_partitions_revoked.connect(revoked, weak=False)


def raw_schema() -> faust.Schema:
    """Bytes as they came: decoding is ours, so that what fails becomes a dead letter."""
    return faust.Schema(
        key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
