"""A small field that is observed frame by frame, as batches and markers of `measurements`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from batches import MARGIN, PIXEL, make_batch

with warnings.catch_warnings():
    # kafka-python and Faust use what newer Pythons deprecate, once, on import
    warnings.simplefilter("ignore", DeprecationWarning)
    import faust
    import faust.transport.drivers.aiokafka  # noqa: F401
    import kafka  # noqa: F401

from csstream.contracts.cells import cells_of, cells_with_margin
from csstream.contracts.codec import encode
from csstream.contracts.records import ClosedMarker, Measurements
from csstream.lightcurves import keys
from csstream.lightcurves.store import MemoryStore
from csstream.runtime.messages import Message


@dataclass
class Field:
    """Stars about a place on the sky, and frames of them."""

    stars: int = 40
    ra0: float = 150.0
    dec0: float = 2.2
    size_arcsec: float = 40.0
    seed: int = 0
    partitions: int = 2
    detectors: int = 1
    completeness: float = 0.95
    spurious: int = 2
    noise_pixel: float = 0.08
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        half = self.size_arcsec / 3600.0 / 2.0
        self.ra = self.ra0 + self.rng.uniform(-half, half, self.stars)
        self.dec = self.dec0 + self.rng.uniform(-half, half, self.stars)
        self.flux = 10.0 ** self.rng.uniform(1.0, 3.0, self.stars)

    def sources(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions and fluxes as one frame measures them."""
        seen = self.rng.random(self.stars) < self.completeness
        sigma = self.noise_pixel * PIXEL / 3600.0
        half = self.size_arcsec / 3600.0 / 2.0
        n = int(seen.sum())
        ra = self.ra[seen] + self.rng.normal(0.0, sigma, n)
        dec = self.dec[seen] + self.rng.normal(0.0, sigma, n)
        flux = self.flux[seen] * self.rng.normal(1.0, 0.01, n)
        extra = self.rng.uniform(-half, half, (2, self.spurious))
        return (
            np.concatenate([ra, self.ra0 + extra[0]]),
            np.concatenate([dec, self.dec0 + extra[1]]),
            np.concatenate([flux, np.full(self.spurious, 5.0)]),
        )

    def batches(self, visit: int, detector: int = 0, **changes) -> list[Measurements]:
        """All batches of one exposure."""
        ra, dec, flux = self.sources()
        index, cells = cells_with_margin(ra, dec, MARGIN)
        touched = np.union1d(np.unique(cells), self.footprint())
        return [
            make_batch(
                int(cell), visit, ra[index[cells == cell]], dec[index[cells == cell]],
                flux[index[cells == cell]], detector=detector, detectors_in_visit=self.detectors,
                **changes,
            )
            for cell in touched
        ]  # fmt: skip

    def footprint(self) -> np.ndarray:
        """Cells of the frame's corners and centre."""
        half = self.size_arcsec / 3600.0 / 2.0
        corners = np.array([(0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]) * half
        return np.unique(cells_of(self.ra0 + corners[:, 0], self.dec0 + corners[:, 1]))

    def visit(self, visit: int) -> list[tuple[int, Measurements | ClosedMarker]]:
        """(partition, record) of all batches and markers of one visit."""
        sent: list[tuple[int, Measurements | ClosedMarker]] = []
        for detector in range(self.detectors):
            batches = self.batches(visit, detector)
            sent += [(batch.cell % self.partitions, batch) for batch in batches]
            sent += self.markers(visit, batches, detector)
        return sent

    def markers(self, visit: int, batches=(), detector=0, **changes):
        """(partition, marker) of one exposure for every partition."""
        made = []
        for partition in range(self.partitions):
            mine = [batch for batch in batches if batch.cell % self.partitions == partition]
            fields = {
                "exposure_id": f"run.{detector}.{visit}", "visit": visit, "detector": detector,
                "detectors_in_visit": self.detectors, "partition": partition,
                "batches": len(mine), "sources": sum(len(batch.ra) for batch in mine),
            }  # fmt: skip
            made.append((partition, ClosedMarker(**(fields | changes))))
        return made

    def end(self, visit: int) -> list[tuple[int, ClosedMarker]]:
        """(partition, marker) of the end of the sequence."""
        return self.markers(visit, sequence_end=True, detectors_in_visit=1)

    def run(self, visits: int) -> list[tuple[int, Measurements | ClosedMarker]]:
        """All records of a sequence of so many visits, and its end."""
        records = [each for visit in range(1, visits + 1) for each in self.visit(visit)]
        return [*records, *self.end(visits + 1)]


def message_of(partition: int, record, offset: int = 0) -> Message:
    """A record as a message of `measurements`."""
    key = keys.cell_prefix(record.cell)[1:] if isinstance(record, Measurements) else None
    return Message("measurements", partition, offset, key, encode(record), (), 1000 + offset)


@pytest.fixture(scope="session")
def make_field() -> Callable[..., Field]:
    return Field


@pytest.fixture(scope="session")
def batch() -> Callable[..., Measurements]:
    return make_batch


@pytest.fixture(scope="session")
def to_message() -> Callable[..., Message]:
    return message_of


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    return MemoryStore()
