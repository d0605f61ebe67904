"""Seconds from announcement to measurements of one 1000 x 1000 pixel frame, per step.

Simulates frames at the paper's density, starts the embedded broker and one detection service as a
process, announces the frames one after the other and prints the median of each step. Run it with

    python benchmarks/detection_latency.py [--side 1000] [--frames 4] [--method auto]

The first frame is the reference frame of the others and is left out of the medians.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from kafka import TopicPartition

from csstream.contracts.codec import decode
from csstream.contracts.records import ExposureReport
from csstream.instruments.instrument import load_instrument
from csstream.publisher.announce import Announcer
from csstream.publisher.inspect_file import inspect_file
from csstream.run.brokers import EmbeddedBroker
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import Outgoing, make_admin, make_consumer, make_producer, send_all
from csstream.runtime.settings import ServiceSettings
from csstream.simulation.field import FieldSettings
from csstream.simulation.survey import SurveySettings, simulate_survey

PROGRAM = "from csstream.cli.main import main; main()"
TIMEOUT = 600.0  # [s] for one frame, compiling included


def main() -> None:
    options = parse_options()
    instrument = load_instrument(options.instrument)
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as broker:
        field = FieldSettings(shape=(options.side, options.side))
        survey = SurveySettings(instrument=instrument, field=field, frames=options.frames)
        files = simulate_survey(survey, Path(folder)).files
        settings = ServiceSettings(bootstrap_servers=broker.bootstrap_servers)
        admin = make_admin(settings)
        create_topics(admin, settings.topics())
        admin.close()
        process = start_service(settings, options)
        try:
            results = measure(settings, instrument, files, process)
        finally:
            process.terminate()
            process.wait(30)
    show(results, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1000, help="pixels")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--instrument", default="csst-i")
    parser.add_argument("--method", default="auto", choices=["auto", "pnet", "classical"])
    parser.add_argument("--provider", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def start_service(settings: ServiceSettings, options: argparse.Namespace) -> subprocess.Popen:
    environment = os.environ | {
        "CSSTREAM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "CSSTREAM_LOG_LEVEL": "WARNING",
        "OMP_NUM_THREADS": "1",
    }
    flags = ["--method", options.method, "--provider", options.provider]
    flags += ["--threads", str(options.threads), "--instruments", options.instrument]
    command = [sys.executable, "-c", PROGRAM, "serve", "detection", *flags]
    return subprocess.Popen(command, env=environment)


def measure(settings, instrument, files, process) -> list[tuple[ExposureReport, float]]:
    """Announce each file when the one before it is done; return reports and total seconds."""
    topics = settings.topics()
    announcer = Announcer(
        sequence="benchmark", instrument=instrument.name, partitions=topics.exposures.partitions
    )
    producer = make_producer(settings, "benchmark")
    consumer = make_consumer(settings, None, "benchmark")
    name = topics.exposure_reports.name
    consumer.assign([TopicPartition(name, n) for n in consumer.partitions_for_topic(name)])
    consumer.seek_to_beginning()
    reference, results = None, []
    for number, path in enumerate(files, start=1):
        candidate = inspect_file(path, instrument)
        reference = reference or candidate.image
        (message,) = announcer.visit(number, [candidate], lambda _, first=reference: first)
        outgoing = Outgoing(topics.exposures.name, message.partition, message.key, message.payload)
        send_all(producer, [outgoing])
        results.append(wait_for_report(consumer, process))
    producer.close()
    consumer.close()
    return results


def wait_for_report(consumer, process) -> tuple[ExposureReport, float]:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        for messages in consumer.poll(timeout_ms=100).values():
            for message in messages:
                report = decode(message.value, ExposureReport)
                return report, (message.timestamp - report.announced_ms) / 1000.0
    raise SystemExit("the detection service gave no report: see its log above")


def show(results: list[tuple[ExposureReport, float]], options: argparse.Namespace) -> None:
    rest = results[1:] or results
    report = rest[0][0]
    print(f"{options.side} x {options.side} px, {len(rest)} frames, {report.sources} sources")
    print(f"method {report.method}, model {report.model}, provider {report.provider or 'none'}")
    print(f"{os.cpu_count()} cores, {options.threads} thread(s) for the network")
    known = 0.0
    for step in report.timings:
        seconds = float(np.median([r.timings.get(step, 0.0) for r, _ in rest]))
        known += seconds
        print(f"  {step:14s} {seconds:8.3f} s")
    total = float(np.median([seconds for _, seconds in rest]))
    print(f"  {'fetch and send':14s} {total - known:8.3f} s")
    print(f"  {'total':14s} {total:8.3f} s from announcement to measurements, median")


if __name__ == "__main__":
    main()
