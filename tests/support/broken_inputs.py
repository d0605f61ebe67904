"""Broken inputs of every kind, for the topics and the watched directory of a running chain."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from astropy.io import fits
from chain import Chain

from csstream.contracts.codec import decode, encode
from csstream.contracts.records import ClaimCheck, Exposure, Measurements, Panel
from csstream.contracts.registry import latest_schema
from csstream.publisher.inspect_file import claim_check
from csstream.runtime.kafka import Outgoing, make_producer, send_all

JUNK = b"these bytes are no Avro"
UNKNOWN_SCHEMA = b"\x00\x00\x00\xff\xff" + b"a body of a schema that nobody knows"
REFUSED_FILES = 3


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A dead letter that must come of a broken input."""

    stage: str
    reason: str
    value: bytes | None  # the message as it was sent; None: a file, see ``file``
    file: str = ""
    exposure_id: str = ""  # of an announced exposure, which must be given up


def sample(kind: type[Any], folder: str) -> Any:
    """Return the record that lies beside a schema."""
    path = files("csstream.schemas").joinpath(folder, "1", "0", f"{folder}.bin")
    return decode(path.read_bytes(), kind)


def with_wrong_column(record: Any, column: str) -> bytes:
    """Return a record's bytes with the last byte of one column cut off and again as it must be.

    The Avro is sound: only the column's length is wrong, which no Avro reader can know.
    """
    payload = encode(record)
    schema = latest_schema(type(record).__name__)
    datum: Any = fastavro.schemaless_reader(BytesIO(payload[5:]), schema.parsed, None)
    item = np.asarray(getattr(record, column)).dtype.itemsize
    datum[column] = datum[column][:-item]
    out = BytesIO()
    out.write(payload[:5])
    fastavro.schemaless_writer(out, schema.parsed, datum)
    return out.getvalue()


def break_topics(chain: Chain, good: Path, first_visit: int) -> list[Expected]:
    """Send broken messages to the three topics; return the dead letters that must come of them.

    Announcements of exposures whose files are missing, changed or damaged are extras: they have
    visit numbers from ``first_visit`` on, behind all that the publisher gives out, so that the
    numbers of the good exposures stay what they are without them.
    """
    topics = chain.settings.topics()
    announced = _broken_exposures(chain, good, first_visit)
    batch, panel = sample(Measurements, "measurements"), sample(Panel, "panel")
    expected = [
        *announced,
        *_bytes_for("detection", encode(announced_sample(chain, good, first_visit))[:60]),
        *_bytes_for("lightcurves", encode(batch)[:60]),
        *_bytes_for("classifier", encode(panel)[:60]),
        Expected(
            stage="lightcurves", reason="column_length", value=with_wrong_column(batch, "flux")
        ),
        Expected(
            stage="classifier", reason="column_length", value=with_wrong_column(panel, "flux_err")
        ),
    ]
    inputs = {
        "detection": (topics.exposures, (0, 1)),
        "lightcurves": (topics.measurements, tuple(range(topics.measurements.partitions))),
        "classifier": (topics.lightcurves, tuple(range(topics.lightcurves.partitions))),
    }
    outgoing = []
    for number, each in enumerate(expected):
        topic, partitions = inputs[each.stage]
        partition = partitions[number % len(partitions)]
        outgoing.append(Outgoing(topic.name, partition, None, each.value or b""))
    with closing(make_producer(chain.settings, "test-breaker")) as producer:
        send_all(producer, outgoing)
    return expected


def _bytes_for(stage: str, cut: bytes) -> list[Expected]:
    return [
        Expected(stage=stage, reason="not_avro", value=JUNK),
        Expected(stage=stage, reason="not_avro", value=cut),
        Expected(stage=stage, reason="unknown_schema", value=UNKNOWN_SCHEMA),
    ]


def _broken_exposures(chain: Chain, good: Path, first_visit: int) -> list[Expected]:
    directory = chain.places.exposures
    damaged = directory / "damaged.dat"  # no name that the publisher would look at
    damaged.write_bytes(good.read_bytes()[:2880] + b"\xff" * 5760)
    sound = directory / "sound.dat"
    sound.write_bytes(good.read_bytes())
    claim = claim_check(sound)
    claims = {
        "missing_file": replace(claim, uri=(directory / "nowhere.dat").as_uri()),
        "checksum_mismatch": replace(claim, sha256="0" * 64),
        "corrupt_fits": claim_check(damaged),
    }
    made = []
    for visit, (reason, image) in enumerate(claims.items(), start=first_visit):
        exposure = announced_sample(chain, good, visit, image)
        value, name = encode(exposure), exposure.exposure_id
        made.append(Expected(stage="detection", reason=reason, value=value, exposure_id=name))
    return made


def announced_sample(
    chain: Chain, good: Path, visit: int, image: ClaimCheck | None = None
) -> Exposure:
    """Return the announcement of an exposure that the publisher never saw."""
    return Exposure(
        kind="exposure",
        exposure_id=f"extra.1.{visit}",
        sequence="extra",
        visit=visit,
        detector=1,
        detectors_in_visit=1,
        instrument="csst-i",
        band="i",
        mjd_mid_tai=62000.0,
        exposure_time=300.0,
        image=image or claim_check(good),
        reference_frame=claim_check(good),
    )


def break_directory(chain: Chain, good: Path) -> list[Expected]:
    """Put broken files into the watched directory; return the dead letters of the publisher."""
    directory = chain.places.exposures
    content = good.read_bytes()
    _put(directory / "broken-junk.fits", b"this is no FITS at all")
    _put(directory / "broken-cut.fits.fz", content[: len(content) // 2 // 2880 * 2880])
    unsaid = directory / ".unsaid.fits"
    fits.PrimaryHDU(np.ones((64, 64), np.float32)).writeto(unsaid)
    unsaid.rename(directory / "broken-unsaid.fits")
    names = {
        "broken-junk.fits": "not_fits",
        "broken-cut.fits.fz": "truncated",
        "broken-unsaid.fits": "missing_keyword",
    }
    assert len(names) == REFUSED_FILES
    return [
        Expected(stage="publisher", reason=reason, value=None, file=name)
        for name, reason in names.items()
    ]


def _put(path: Path, content: bytes) -> None:
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(content)
    hidden.rename(path)
