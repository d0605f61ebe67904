"""What detection finds beside the list, made into objects as the light-curve service makes them.

The sources of every frame go to their cells and to those that they lie close to; in each cell
:class:`csstream.association.objects.Objects`, the service's own code, tells which of them are one
object, and which objects there are. Only the messages between the services are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.association.objects import OBJECT_BITS, Objects
from csstream.association.rules import (
    CONFIRM_EPOCHS,
    CONFIRM_SOURCES,
    MARGIN_MATCH_RADII,
    MATCH_RADIUS_FWHM,
)
from csstream.contracts.cells import cells_with_margin
from csstream.contracts.records import Measurements
from csstream.contracts.units import AB_ZERO_POINT_NJY
from csstream.evaluate.survey_objects import show
from csstream.evaluation.curve_store import ExtraSources, FieldCurves, ObjectList
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument

Array = npt.NDArray[Any]
Int = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Found:
    """The objects of one cell, (k,), and which sources are theirs, (s,)."""

    object_id: Int
    ra: Array  # [deg]
    dec: Array  # [deg]
    source: Int  # (s,) row of the extras
    owner: Int  # (s,) row of the objects


def match_radius(instrument: Instrument) -> float:
    """Return the match radius [arcsec] that the detection service announces."""
    fwhm = psf_from_instrument(instrument).fwhm
    return MATCH_RADIUS_FWHM * fwhm * instrument.detector.pixel_scale_arcsec


def with_extras(
    curves: FieldCurves, sources: ExtraSources | None, instrument: Instrument
) -> FieldCurves:
    """Return a field's curves with those of the objects that its extras become, at the end.

    As in the stream, an object has no point in a frame that does not show it, and its first
    points are those of the sources that made it one. Without extras, or without any object, the
    curves come back as they are.
    """
    if sources is None or len(sources) == 0:
        return curves
    frames = np.flatnonzero(~np.concatenate([chunk.failed for chunk in curves.chunks]))
    found = list(objects_of(sources, frames, match_radius(instrument)))
    if not sum(each.object_id.size for each in found):
        return curves
    flux, error, flags = (
        np.concatenate([_rows(each, sources, name, curves.time.size) for each in found])
        for name in ("flux", "flux_err", "flags")
    )
    objects = _listed_after(curves, found, sources, flux)
    return replace(
        curves,
        objects=objects,
        flux=np.concatenate([curves.flux, flux]),
        flux_err=np.concatenate([curves.flux_err, error]),
        flags=np.concatenate([curves.flags, flags]),
        beside=len(flux),
    )


def objects_of(sources: ExtraSources, frames: Int, radius: float) -> Iterator[_Found]:
    """Yield the objects that sources become, cell by cell.

    ``frames`` are the numbers of all frames that were measured, rising: an epoch without any
    source counts too, for what is not seen again is forgotten. ``radius`` [arcsec] of a match.
    """
    index, cells = cells_with_margin(sources.ra, sources.dec, MARGIN_MATCH_RADII * radius)
    for cell in np.unique(cells).tolist():
        rows = index[cells == cell]
        rows = rows[np.argsort(sources.frame[rows], kind="stable")]
        yield _objects_of_cell(cell, rows, sources, frames, radius)


def _objects_of_cell(
    cell: int, rows: Int, sources: ExtraSources, frames: Int, radius: float
) -> _Found:
    """Take in all epochs; slots stay what they are, for nothing is compacted."""
    objects = Objects(cell, CONFIRM_SOURCES, CONFIRM_EPOCHS)
    starts = np.searchsorted(sources.frame[rows], frames, side="left")
    stops = np.searchsorted(sources.frame[rows], frames, side="right")
    slots = [
        objects.take(_batch(cell, rows[first:last], sources, radius), epoch)
        for epoch, (first, last) in enumerate(zip(starts, stops, strict=True))
    ]
    number = objects["number"]
    made = np.flatnonzero(number > 0)
    made = made[np.argsort(number[made])]
    place = np.full(number.size + 1, -1, np.int64)  # the last: of sources without a slot
    place[made] = np.arange(made.size)
    owner = place[np.concatenate(slots)]
    ra, dec, _, _ = objects.positions(made)
    ids = (np.int64(cell) << OBJECT_BITS) + number[made]
    return _Found(ids, ra, dec, rows[owner >= 0], owner[owner >= 0])


def _batch(cell: int, rows: Int, sources: ExtraSources, radius: float) -> Measurements:
    """Return the batch that tells a cell of the extras of one frame."""
    none = np.zeros(rows.size)
    return Measurements(
        exposure_id="", visit=0, detector=1, detectors_in_visit=1, cell=cell, instrument="",
        band="", mjd_mid_tai=0.0, exposure_time=0.0, zero_point=0.0, zero_point_err=0.0,
        fwhm=0.0, background=0.0, match_radius_arcsec=radius,
        margin_arcsec=MARGIN_MATCH_RADII * radius, model="", reference_version="survey",
        object_id=none.astype(np.int64), ra=sources.ra[rows], dec=sources.dec[rows],
        x=sources.x[rows], y=sources.y[rows], x_err=sources.x_err[rows],
        y_err=sources.y_err[rows], flux=sources.flux[rows], flux_err=sources.flux_err[rows],
        probability=none, flags=sources.flags[rows],
    )  # fmt: skip


def _rows(found: _Found, sources: ExtraSources, name: str, frames: int) -> Array:
    """Return one quantity of the objects of a cell, (k, frames); nan, or no flag: not seen."""
    values = getattr(sources, name)
    whole = values.dtype.kind == "i"
    matrix = np.full((found.object_id.size, frames), 0 if whole else np.nan, values.dtype)
    matrix[found.owner, sources.frame[found.source]] = values[found.source]
    return matrix


def _listed_after(
    curves: FieldCurves, found: list[_Found], sources: ExtraSources, flux: Array
) -> ObjectList:
    """Return the field's list with the new objects at its end, and what each of them shows."""
    old = curves.objects
    x, y = (np.concatenate([_mean(each, getattr(sources, n)) for each in found]) for n in "xy")
    with np.errstate(invalid="ignore", divide="ignore"):
        mag = AB_ZERO_POINT_NJY - 2.5 * np.log10(np.nanmedian(flux, axis=1).astype(float))
    star, distance, beside = show(x, y, curves.truth, taken=old.star[old.star >= 0])
    new = {
        "object_id": np.concatenate([each.object_id for each in found]),
        "x": x,
        "y": y,
        "ra": np.concatenate([each.ra for each in found]),
        "dec": np.concatenate([each.dec for each in found]),
        "mag": mag,
        "star": star,
        "distance": distance,
        "variable_distance": beside,
    }
    return ObjectList(**{k: np.concatenate([getattr(old, k), v]) for k, v in new.items()})


def _mean(found: _Found, values: Array) -> Array:
    n = found.object_id.size
    seen = np.bincount(found.owner, minlength=n)
    return np.bincount(found.owner, values[found.source].astype(float), minlength=n) / seen
