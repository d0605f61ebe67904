"""A reference catalogue as a file: Parquet for the services, FITS and ECSV for people's tools.

A Parquet file that comes over the wire's claim check is not trusted: its size, its declared sizes,
its columns and its values are checked, in this order, before a star is believed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from csstream.imaging.frames.fits_bounds import check_wcs
from csstream.imaging.reference.catalogue import COLUMNS, ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.checks import CatalogueError, check_stars
from csstream.imaging.reference.identity import plane_header, version_of

SUFFIXES = (".parquet", ".ecsv", ".fits")
FORMAT = "csstream-reference-1"
MAX_BYTES = 4 * 1024**3  # of a file, before and after decompression
MAX_STARS = 20_000_000
MAX_FACTS = 16 * 1024**2  # [byte] of the file's own metadata
MAX_CELLS = 1_000_000


def write_reference(path: Path, catalogue: ReferenceCatalogue) -> None:
    """Write a catalogue; the name's ending chooses Parquet, ECSV or FITS.

    Only Parquet is read back. The file appears whole or not at all.

    Raises
    ------
    ValueError
        The ending is none of ``SUFFIXES``.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: the name must end in {', '.join(SUFFIXES)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.partial{suffix}")
    try:
        if suffix == ".parquet":
            _write_parquet(beside, catalogue)
        elif suffix == ".ecsv":
            reference_table(catalogue).write(beside, format="ascii.ecsv", overwrite=True)
        else:
            _write_fits(beside, catalogue)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def reference_table(catalogue: ReferenceCatalogue) -> Table:
    """Return an astropy table with units and descriptions, and a column ``mag`` besides."""
    table = Table(meta=_facts(catalogue) | {"flux_zero_point": "AB mag of one electron per second"})
    for name, (_, unit, text) in COLUMNS.items():
        table[name] = getattr(catalogue.stars, name)
        table[name].unit = unit or None
        table[name].description = text or None
    flux = catalogue.stars.flux
    safe = np.where(flux > 0.0, flux, np.nan)
    table["mag"] = catalogue.zero_point - 2.5 * np.log10(safe)
    table["mag"].unit = "mag"
    return table


def read_reference(path: Path) -> ReferenceCatalogue:
    """Read a catalogue from Parquet, and check it.

    Raises
    ------
    CatalogueError
        ``missing_file``, ``unreadable_file``, ``too_large``, ``not_parquet``, ``not_a_reference``,
        ``bad_column``, ``bad_value``, ``bad_plane`` or ``wrong_version``.
    """
    table, facts = _read_parquet(path)
    stars = _stars(table, path)
    check_stars(stars, path)
    catalogue = _assembled(stars, facts, path)
    if (found := version_of(catalogue)) != catalogue.version:
        raise CatalogueError(
            "wrong_version",
            f"{path}: says version {catalogue.version[:40]!r}, its content has {found}: "
            "the file was changed or damaged after it was built",
        )
    return catalogue


def _facts(catalogue: ReferenceCatalogue) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": catalogue.version,
        "family": catalogue.family,
        "instrument": catalogue.instrument,
        "band": catalogue.band,
        "zero_point": float(catalogue.zero_point),
        "fwhm": float(catalogue.fwhm),
        "frames": int(catalogue.frames),
    }


def _write_parquet(path: Path, catalogue: ReferenceCatalogue) -> None:
    columns, schema = [], []
    for name, (_, unit, text) in COLUMNS.items():
        values = pyarrow.array(getattr(catalogue.stars, name))
        schema.append(
            pyarrow.field(
                name, values.type, nullable=False, metadata={"unit": unit, "description": text}
            )
        )
        columns.append(values)
    facts = _facts(catalogue) | {"used": catalogue.used.tolist()}
    meta = {"csstream": json.dumps(facts), "wcs": plane_header(catalogue.wcs)}
    table = pyarrow.Table.from_arrays(columns, schema=pyarrow.schema(schema, metadata=meta))
    parquet.write_table(table, path, compression="zstd")


def _write_fits(path: Path, catalogue: ReferenceCatalogue) -> None:
    table = reference_table(catalogue)
    hdu = fits.BinTableHDU(Table({name: np.asarray(table[name]) for name in table.colnames}))
    for key, value in _facts(catalogue).items():
        hdu.header[key.replace("zero_point", "zeropt").upper()[:8]] = value
    hdu.name = "REFERENCE"
    units = {name: unit for name, (_, unit, _) in COLUMNS.items()} | {"mag": "mag"}
    for column in hdu.columns:
        if units[column.name]:
            # FITS has no unit "electron"; what is counted here are electrons.
            column.unit = units[column.name].replace("electron / s", "ct s-1")
    plane = fits.ImageHDU(header=catalogue.wcs.to_header(), name="PLANE")
    fits.HDUList([fits.PrimaryHDU(), hdu, plane]).writeto(path, overwrite=True)


def _read_parquet(path: Path) -> tuple[pyarrow.Table, dict[str, Any]]:
    """Bound the sizes, then read the columns that are known."""
    if not path.is_file():
        raise CatalogueError("missing_file", f"{path}: there is no such file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise CatalogueError("too_large", f"{path}: {size} bytes, more than {MAX_BYTES}")
    try:
        with parquet.ParquetFile(path) as opened:
            _check_declared(opened, path)
            facts = _parsed(opened.schema_arrow.metadata or {}, path)
            return opened.read(columns=list(COLUMNS), use_threads=False), facts
    except CatalogueError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise CatalogueError("unreadable_file", f"{path}: {error}") from error
        raise CatalogueError("not_parquet", f"{path}: damaged Parquet file: {error}") from error
    except (pyarrow.ArrowException, ValueError, TypeError, KeyError, IndexError) as error:
        raise CatalogueError("not_parquet", f"{path}: not a Parquet file: {error}") from error
    except MemoryError as error:
        raise CatalogueError("too_large", f"{path}: does not fit into memory") from error


def _check_declared(opened: parquet.ParquetFile, path: Path) -> None:
    meta = opened.metadata
    groups = [meta.row_group(k) for k in range(meta.num_row_groups)]
    total = sum(group.total_byte_size for group in groups)
    if not 0 <= meta.num_rows <= MAX_STARS or not 0 <= total <= MAX_BYTES:
        raise CatalogueError(
            "too_large",
            f"{path}: {meta.num_rows} stars in {total} bytes; at most {MAX_STARS} in {MAX_BYTES}",
        )
    schema = opened.schema_arrow
    for name, (kind, _, _) in COLUMNS.items():
        wanted = pyarrow.from_numpy_dtype(np.dtype(kind))
        found = schema.field(name).type if name in schema.names else None
        if found != wanted:
            raise CatalogueError(
                "bad_column", f"{path}: column {name} is {found or 'missing'}, not {wanted}"
            )


def _parsed(meta: dict[bytes, bytes], path: Path) -> dict[str, Any]:
    text, plane = meta.get(b"csstream", b""), meta.get(b"wcs", b"")
    if len(text) + len(plane) > MAX_FACTS:
        raise CatalogueError("too_large", f"{path}: its metadata take more than {MAX_FACTS} bytes")
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise CatalogueError(
            "not_a_reference",
            f"{path}: not a reference catalogue of this program ({FORMAT}): "
            "make one with `csstream reference build`",
        )
    return facts | {"wcs": plane}


def _stars(table: pyarrow.Table, path: Path) -> ReferenceStarTable:
    columns: dict[str, np.ndarray] = {}
    for name, (kind, _, _) in COLUMNS.items():
        column = table.column(name)
        if column.null_count:
            raise CatalogueError("bad_value", f"{path}: column {name} has missing values")
        columns[name] = np.ascontiguousarray(column.to_numpy(), kind)
    return ReferenceStarTable(**columns)


def _assembled(stars: ReferenceStarTable, facts: dict[str, Any], path: Path) -> ReferenceCatalogue:
    try:
        used = np.array(facts["used"], np.int64).reshape(-1, 2)
        catalogue = ReferenceCatalogue(
            version=str(facts["version"]),
            instrument=str(facts["instrument"]),
            band=str(facts["band"]),
            zero_point=float(facts["zero_point"]),
            fwhm=float(facts["fwhm"]),
            wcs=_plane(facts["wcs"], path),
            stars=stars,
            used=used,
            frames=int(facts["frames"]),
            family=str(facts["family"]),
        )
    except CatalogueError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CatalogueError("bad_value", f"{path}: bad metadata: {error!r}") from error
    if not catalogue.family:
        raise CatalogueError("bad_value", f"{path}: it does not say of which family it is")
    numbers = (catalogue.zero_point, catalogue.fwhm)
    if not all(map(math.isfinite, numbers)) or catalogue.fwhm <= 0 or len(used) > MAX_CELLS:
        raise CatalogueError("bad_value", f"{path}: bad zero point, FWHM or numbers used")
    return catalogue


def _plane(cards: bytes, path: Path) -> Any:
    """Return the WCS of the reference plane, which is TAN and nothing else."""
    try:
        header = fits.Header.fromstring(cards.decode("ascii"))
        check_wcs(header)
        plane = WCS(header, naxis=2)
        kinds = [str(kind)[5:] for kind in plane.wcs.ctype]
        scale = float(np.linalg.det(plane.pixel_scale_matrix))
    except Exception as error:  # wcslib and astropy raise almost anything on a bad header
        raise CatalogueError("bad_plane", f"{path}: bad reference plane: {error}") from error
    if kinds != ["TAN", "TAN"] and kinds != ["-TAN", "-TAN"]:
        raise CatalogueError("bad_plane", f"{path}: the plane is {kinds}, not TAN")
    if not math.isfinite(scale) or scale == 0.0:
        raise CatalogueError("bad_plane", f"{path}: the plane's pixels have no area")
    return plane
