"""What a source-epoch costs the light-curve service on a broker: time, memory and disk.

Run: python benchmarks/lightcurve_state.py [--reference] [--broker apache] [--stars 12000]
     [--cells 4] [--epochs 120] [--first 30]

One worker process (``csstream serve lightcurves``) reads batches that lie on the broker already.
A batch is one exposure in one cell: 95 % of the stars (all with ``--reference``) and 3 % one-frame
detections, with measured-like values in every column, four cells in one partition. ``cpu`` is the
worker's own processor time (all threads, faust and RocksDB with it) from a quarter of the visits
to the last; panels on the usual schedule are cut and sent within it. ``--first 1000000`` leaves
the panels out. Memory is the growth of the resident set in the same time: the slope of a line
through samples every fifth visit, since blocks are sealed and panels cut in steps, so that two
samples alone differ by some bytes from run to run. Disk is the size of the state directory at the
end over all source-epochs. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kafka import TopicPartition
from kafka.errors import RetriableError

from csstream.association.geometry import cell_centre
from csstream.contracts.codec import encode
from csstream.contracts.records import ClosedMarker, Measurements
from csstream.lightcurves.settings import LightcurvesSettings
from csstream.run.apache import ApacheBroker
from csstream.run.brokers import Broker, EmbeddedBroker
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import Outgoing, make_admin, make_consumer, make_producer, send_all
from csstream.runtime.offsets import end_offsets

CELLS = range(1234568, 10**8, 4)  # every fourth: all in partition 0
PIXEL = 0.075  # [arcsec]
HALF_ARCSEC = 20.0  # of the square that the stars fill, inside of the cell
PAGE = os.sysconf("SC_PAGE_SIZE")
STEP = 5  # visits between two samples
TICKS = os.sysconf("SC_CLK_TCK")


class Sky:
    """One cell's stars, and what frames measure of them."""

    def __init__(self, cell: int, stars: int, *, reference: bool) -> None:
        self.cell, self.reference = cell, reference
        self.rng = np.random.default_rng(cell)
        self.ra0, self.dec0 = np.degrees(cell_centre(cell))
        self.offsets = self.rng.uniform(-HALF_ARCSEC, HALF_ARCSEC, (2, stars))
        self.flux = 10.0 ** self.rng.uniform(0.0, 3.0, stars)
        self.ids = (cell << 20) + np.arange(1, stars + 1)

    def batch(self, visit: int) -> Measurements:
        rng, stars = self.rng, len(self.flux)
        seen = np.flatnonzero(rng.random(stars) < (2.0 if self.reference else 0.95))
        extra = int(0.03 * stars)
        noise = rng.normal(0, 0.08 * PIXEL, (2, len(seen)))
        spurious = rng.uniform(-HALF_ARCSEC, HALF_ARCSEC, (2, extra))
        xi, eta = np.concatenate([self.offsets[:, seen] + noise, spurious], axis=1)
        n = len(xi)
        ids = np.concatenate([self.ids[seen], np.zeros(extra, np.int64)])
        flux = np.concatenate([self.flux[seen], np.full(extra, 1.0)]) * rng.normal(1, 0.01, n)
        err = np.sqrt(flux) * rng.uniform(0.9, 1.1, n)
        return Measurements(
            exposure_id=f"benchmark.0.{visit}", visit=visit, detector=0, detectors_in_visit=1,
            cell=self.cell, instrument="csst-i", band="i", mjd_mid_tai=61000.0 + visit / 288,
            exposure_time=300.0, zero_point=25.91, zero_point_err=0.001, fwhm=2.1, background=0.8,
            match_radius_arcsec=0.5 * PIXEL, margin_arcsec=1.0, model="pnet 0123456789ab",
            reference_version="r1" if self.reference else "",
            object_id=ids if self.reference else np.zeros(n, np.int64),
            ra=self.ra0 + xi / 3600 / np.cos(np.radians(self.dec0)), dec=self.dec0 + eta / 3600,
            x=(xi + 99.0) / PIXEL, y=(eta + 99.0) / PIXEL,
            x_err=rng.uniform(0.01, 0.2, n).astype(np.float32),
            y_err=rng.uniform(0.01, 0.2, n).astype(np.float32),
            flux=flux.astype(np.float32), flux_err=err.astype(np.float32),
            probability=rng.uniform(0.6, 1.0, n).astype(np.float32),
            flags=np.where(rng.random(n) < 0.3, 16, 0).astype(np.int32),
        )  # fmt: skip


@dataclass
class Sample:
    """The worker at one moment."""

    sources: int  # that it had taken in
    cpu_s: float
    rss: int  # [byte]
    wall_s: float


def fill(settings: LightcurvesSettings, options: argparse.Namespace) -> list[tuple[int, int]]:
    """Send all visits; return (messages, sources) in partition 0 up to each visit."""
    topic = settings.topics().measurements.name
    skies = [Sky(cell, options.stars, reference=options.reference)
             for cell in CELLS[: options.cells]]  # fmt: skip
    totals, messages, sources = [], 0, 0
    with closing(make_producer(settings, "benchmark")) as producer:
        for visit in range(1, options.epochs + 1):
            batches = [sky.batch(visit) for sky in skies]
            marker = ClosedMarker(
                exposure_id=f"benchmark.0.{visit}", visit=visit, detector=0, detectors_in_visit=1,
                partition=0, batches=len(batches), sources=sum(len(b.ra) for b in batches),
            )  # fmt: skip
            values = [encode(record) for record in (*batches, marker)]
            send_all(producer, [Outgoing(topic, 0, None, value) for value in values])
            messages, sources = messages + len(values), sources + marker.sources
            totals.append((messages, sources))
    return totals


def sample(pid: int, sources: int) -> Sample:
    """Read the process's time and memory."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    rss = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return Sample(sources, (int(fields[11]) + int(fields[12])) / TICKS, rss, time.time())


def disk_use(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def wait_until_committed(admin, group: str, offset: int, worker: subprocess.Popen[bytes]) -> None:
    while worker.poll() is None:
        found = {}
        with suppress(RetriableError):  # the coordinator is on its way
            found = admin.list_group_offsets([group]).get(group, {})
        if any(place.partition == 0 and each.offset >= offset for place, each in found.items()):
            return
        time.sleep(0.1)
    raise SystemExit("the worker has ended by itself")


def run(broker: Broker, directory: Path, options: argparse.Namespace) -> dict[str, object]:
    settings = LightcurvesSettings(
        bootstrap_servers=broker.bootstrap_servers,
        state_dir=directory / "state",
        first_examination=options.first,
        commit_interval_s=0.1,
        instance_id="benchmark",
    )
    with closing(make_admin(settings)) as admin:
        create_topics(admin, settings.topics())
        totals = fill(settings, options)
        sampled = totals[options.epochs - 1 : options.epochs // 4 - 2 : -STEP][::-1]
        with (directory / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "csstream.cli.main", "serve", "lightcurves"],
                env=os.environ | environment(settings), stderr=log, stdout=log,
            )  # fmt: skip
        try:
            samples = []
            for messages, sources in sampled:
                wait_until_committed(admin, settings.group_id("lightcurves"), messages, worker)
                samples.append(sample(worker.pid, sources))
        finally:
            worker.terminate()
            worker.wait()
    panels = panels_sent(settings)
    return report(options, samples, panels, disk_use(settings.state_dir))


def environment(settings: LightcurvesSettings) -> dict[str, str]:
    dumped = settings.model_dump(exclude_none=True).items()
    return {f"CSSTREAM_{key.upper()}": str(value) for key, value in dumped}


def panels_sent(settings: LightcurvesSettings) -> int:
    topic = settings.topics().lightcurves
    with closing(make_consumer(settings, None, "benchmark-reader")) as consumer:
        return sum(end_offsets(consumer, [TopicPartition(topic.name, 0)]).values())


def report(
    options: argparse.Namespace, samples: list[Sample], panels: int, disk_at_rest: int
) -> dict[str, object]:
    first, last = samples[0], samples[-1]
    n, cpu = last.sources - first.sources, last.cpu_s - first.cpu_s
    slope = np.polyfit([s.sources for s in samples], [s.rss for s in samples], 1)[0]
    return {
        "broker": options.broker,
        "reference": options.reference,
        "cells": options.cells,
        "stars": options.stars,
        "epochs": options.epochs,
        "source_epochs": last.sources,
        "panels": panels,
        "per_core_s": round(n / cpu),
        "per_wall_s": round(n / (last.wall_s - first.wall_s)),
        "cpu_from_start_s": round(last.cpu_s, 2),
        "load": os.getloadavg()[0],
        "rss_mib": [round(s.rss / 2**20) for s in samples],
        "ram_bytes_per_source_epoch": round(float(slope), 1),
        "disk_bytes_per_source_epoch": round(disk_at_rest / last.sources, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=12000)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--first", type=int, default=30, help="epochs before the first panel")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--broker", choices=("embedded", "apache"), default="embedded")
    options = parser.parse_args()
    kind = {"embedded": EmbeddedBroker, "apache": ApacheBroker}[options.broker]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "broker").mkdir()
        with kind(directory=directory / "broker") as broker:
            print(json.dumps(run(broker, directory, options), indent=2))


if __name__ == "__main__":
    main()
