"""The frame that the report shows, with the stars measured in it, read back from the topics."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import numpy.typing as npt

from csstream.contracts.codec import decode
from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Alert, Exposure, Measurements
from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_io import read_frame
from csstream.instruments.instrument import Instrument
from csstream.run.pictures import FramePicture
from csstream.run.progress import partitions_of
from csstream.run.tally import ReportedExposure, Tally
from csstream.runtime.kafka import make_consumer
from csstream.runtime.settings import ServiceSettings

FloatArray = npt.NDArray[np.float64]
MARK_PIXELS = 2.0  # an alert marks the measured star within this distance


@dataclass(frozen=True, eq=False)
class Stars:
    """Stars of one frame; arrays of shape (n,)."""

    x: FloatArray  # [pixel]
    y: FloatArray  # [pixel]
    ra: FloatArray  # [deg]
    dec: FloatArray  # [deg]


def choose_frame(tally: Tally) -> ReportedExposure | None:
    """Return the report of the deepest frame that was measured, else of the first."""
    measured = tally.measured
    deep = [r for r in measured if np.isfinite(r.report.depth)]
    if deep:
        return max(deep, key=lambda r: (r.report.depth, -r.report.visit))
    return measured[0] if measured else None


def frame_picture(
    settings: ServiceSettings,
    tally: Tally,
    reported: ReportedExposure,
    alerts: Sequence[Alert],
    instrument: Instrument,
) -> FramePicture | None:
    """Return the frame of a report with its stars; None when its file cannot be read any more."""
    exposure = tally.exposures.get(reported.report.exposure_id)
    if exposure is None or exposure.image is None:
        return None
    try:
        image = read_frame(local_path(exposure), instrument).image
    except (FrameError, OSError):
        return None
    stars = read_stars(settings, reported)
    marked = mark_alerts(stars, alerts, instrument.detector.pixel_scale_arcsec)
    return FramePicture(image=image, x=stars.x, y=stars.y, marked=marked)


def local_path(exposure: Exposure) -> Path:
    """Return the file of an exposure's claim check."""
    uri = exposure.image.uri if exposure.image else ""
    return Path(unquote(urlparse(uri).path)) if uri.startswith("file:") else Path(uri)


def read_stars(settings: ServiceSettings, reported: ReportedExposure) -> Stars:
    """Read all stars of one exposure from the topic of measurements.

    Reading starts at the exposure's announcement, since nothing of it was sent before.
    """
    report = reported.report
    partitions = partitions_of([settings.topics().measurements])
    consumer = make_consumer(settings, None, "csstream-run-frame")
    try:
        consumer.assign(partitions)
        starts = consumer.offsets_for_times(dict.fromkeys(partitions, report.announced_ms))
        for partition in partitions:
            found = starts.get(partition)
            consumer.seek(partition, found.offset if found is not None else 0)
        batches = _collect(consumer, report.exposure_id, report.batches)
    finally:
        consumer.close()
    return distinct(batches)


def _collect(
    consumer: object, exposure_id: str, wanted: int, timeout: float = 20.0
) -> list[Measurements]:
    found: dict[int, Measurements] = {}
    deadline = time.monotonic() + timeout
    while len(found) < wanted and time.monotonic() < deadline:
        for messages in consumer.poll(timeout_ms=500).values():  # type: ignore[attr-defined]
            for message in messages:
                record = _measurements(message.value)
                if record is not None and record.exposure_id == exposure_id:
                    found[record.cell] = record
    return list(found.values())


def _measurements(value: bytes | None) -> Measurements | None:
    try:
        return decode(value, Measurements) if value else None
    except InvalidMessageError:  # a closed marker, or no record at all
        return None


def distinct(batches: Sequence[Measurements]) -> Stars:
    """Return the stars of all batches, each once: those in a margin are in two batches."""
    if not batches:
        nothing = np.empty(0)
        return Stars(nothing, nothing, nothing, nothing)
    columns = [
        np.concatenate([np.asarray(getattr(b, name), dtype=np.float64) for b in batches])
        for name in ("x", "y", "ra", "dec")
    ]
    _, first = np.unique(np.stack(columns[:2]), axis=1, return_index=True)
    x, y, ra, dec = (column[np.sort(first)] for column in columns)
    return Stars(x, y, ra, dec)


def mark_alerts(
    stars: Stars, alerts: Sequence[Alert], pixel_scale_arcsec: float
) -> dict[str, tuple[float, float]]:
    """Return where in the frame the alerted stars lie, by a short label."""
    marked: dict[str, tuple[float, float]] = {}
    if len(stars.x) == 0:
        return marked
    for number, alert in enumerate(alerts, start=1):
        d_ra = (stars.ra - alert.ra) * np.cos(np.radians(alert.dec))
        distance = np.hypot(d_ra, stars.dec - alert.dec) * 3600.0 / pixel_scale_arcsec
        nearest = int(np.argmin(distance))
        if distance[nearest] <= MARK_PIXELS:
            label = f"{number} {alert.kind}"
            marked[label] = (float(stars.x[nearest]), float(stars.y[nearest]))
    return marked
