"""FITS files to frames: the only place in the image core that opens a file.

The contract is written down in ``docs/``; what a file must hold is checked here, in this order:
size and magic bytes, the extensions' declared sizes, keywords, and only then pixels. A file is
not trusted: no declared size is believed before it is bounded.
"""

from __future__ import annotations

import gzip
import io
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_bounds import MAX_HDUS, check_headers, check_wcs
from csstream.imaging.frames.fits_header import Keywords, read_keywords
from csstream.imaging.frames.frame import Frame, FrameHeader, Mask, frame_from_array
from csstream.imaging.psf.extension import check_psf_header, field_psf_from_extension
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.instruments.instrument import Instrument

MAX_BYTES = 2 * 1024**3  # of a file, before and after gzip
MAX_PIXELS = 16384**2
MIN_SIDE = 16  # [pixel]
IMAGE_AXES = {"", "PIXEL", "LINEAR", "X", "Y", "RAWX", "RAWY"}  # CTYPEs of a plain image
NOT_IMAGES = {"PSF", "MASK", "ERR", "DQ", "WEIGHT", "VARIANCE"}  # EXTNAMEs


def read_header(
    path: str | Path, instrument: Instrument, *, require_time: bool = True
) -> FrameHeader:
    """Read and check a frame's header without its pixels.

    Raises
    ------
    FrameError
        ``missing_file``, ``not_fits``, ``corrupt_fits``, ``too_large``, ``too_small``,
        ``no_image``, ``not_2d``, ``not_sky``, ``bad_wcs``, ``missing_keyword``, ``bad_keyword``
        or ``wrong_instrument``.
    """
    with _opened(Path(path)) as hdus:
        return _header(hdus, _image_index(hdus, path), instrument, path, require_time)[0]


def read_instrume(path: str | Path) -> str:
    """Return the value of INSTRUME, empty if there is none. Raises as :func:`read_header`."""
    with _opened(Path(path)) as hdus:
        index = _image_index(hdus, path)
        for header in (hdus[index].header, hdus[0].header):
            value = str(header.get("INSTRUME", "")).strip()
            if value:
                return value
    return ""


def read_frame(path: str | Path, instrument: Instrument, *, require_time: bool = True) -> Frame:
    """Read one detector's exposure.

    Parameters
    ----------
    require_time : bool
        Refuse a frame whose time of mid-exposure is unknown; else it is nan.

    Raises
    ------
    FrameError
        As :func:`read_header`; also ``no_pixels`` (none is finite), ``bad_psf``, ``bad_mask``.
    """
    with _opened(Path(path)) as hdus:
        index = _image_index(hdus, path)
        header, wcs = _header(hdus, index, instrument, path, require_time)
        image = _pixels(hdus[index], header.shape, path) * np.float32(header.unit_electrons)
        bad = _mask(hdus, header.shape, path)
        psf = _psf(hdus, header.shape, path)
    frame = frame_from_array(image, header, wcs=wcs, psf=psf, bad=bad)
    if not np.any(np.isfinite(image)):
        raise FrameError("no_pixels", f"{path}: no pixel of the image holds a number")
    return frame


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a FITS file; whatever goes wrong below becomes a FrameError."""
    try:
        with _checked_stream(path) as stream, warnings.catch_warnings():
            # A truncated file is a warning to astropy; its data would be refused later anyway.
            warnings.simplefilter("ignore", AstropyWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            check_headers(stream, path)
            with fits.open(stream, mode="readonly", memmap=False, lazy_load_hdus=True) as hdus:
                yield hdus
    except FrameError:
        raise
    except MemoryError as error:
        raise FrameError("too_large", f"{path}: does not fit into memory") from error
    except Exception as error:  # astropy raises almost anything on a damaged file
        text = f"{path}: damaged FITS file: {type(error).__name__}: {error}"
        raise FrameError("corrupt_fits", text) from error


def _checked_stream(path: Path) -> IO[bytes]:
    """Open the file, or what a gzip file unpacks to, after a look at its size and first card.

    The stream is ours to close: astropy leaves a file open when it cannot make sense of it.
    """
    if not path.is_file():
        raise FrameError("missing_file", f"{path}: no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FrameError("too_large", f"{path}: {size} bytes, more than {MAX_BYTES}")
    with path.open("rb") as file:
        start = file.read(80)
    if start[:2] == b"\x1f\x8b":
        content = _gunzip(path)
        _check_first_card(content[:80], path)
        return io.BytesIO(content)
    _check_first_card(start, path)
    return path.open("rb")


def _gunzip(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FrameError("corrupt_fits", f"{path}: damaged gzip file: {error}") from error
    if len(content) > MAX_BYTES:
        raise FrameError("too_large", f"{path}: unpacks to more than {MAX_BYTES} bytes")
    return content


def _check_first_card(card: bytes, path: Path) -> None:
    if not card.startswith(b"SIMPLE  ="):
        raise FrameError("not_fits", f"{path}: does not start with SIMPLE =: no FITS file")
    if card[10:80].split(b"/")[0].strip() != b"T":
        raise FrameError("not_fits", f"{path}: keyword SIMPLE is not T: a non-standard FITS file")


def _hdus(hdus: Any) -> Iterator[tuple[int, Any]]:
    for index in range(MAX_HDUS):
        try:
            yield index, hdus[index]
        except IndexError:
            return


def _extension(hdus: Any, name: str) -> Any:
    for _, hdu in _hdus(hdus):
        if _is_image(hdu) and str(hdu.header.get("EXTNAME", "")).strip().upper() == name:
            return hdu
    return None


def _is_image(hdu: Any) -> bool:
    return isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU)


def _image_index(hdus: Any, path: str | Path) -> int:
    for index, hdu in _hdus(hdus):
        name = str(hdu.header.get("EXTNAME", "")).strip().upper()
        if _is_image(hdu) and hdu.header.get("NAXIS", 0) > 0 and name not in NOT_IMAGES:
            return index
    raise FrameError("no_image", f"{path}: neither the primary nor any extension holds an image")


def _shape(header: Any, path: str | Path) -> tuple[int, int]:
    """Return (ny, nx) as declared; leading axes of length one are dropped."""
    axes = [int(header.get(f"NAXIS{k + 1}", 0)) for k in range(int(header["NAXIS"]))]
    if len(axes) < 2 or any(length != 1 for length in axes[2:]):
        raise FrameError("not_2d", f"{path}: the image has axes {axes} (NAXISn), not two")
    nx, ny = axes[0], axes[1]
    if min(nx, ny) < MIN_SIDE:
        raise FrameError("too_small", f"{path}: {nx} x {ny} pixels, fewer than {MIN_SIDE} a side")
    if nx * ny > MAX_PIXELS:
        raise FrameError("too_large", f"{path}: {nx} x {ny} pixels, more than {MAX_PIXELS}")
    return ny, nx


def _header(
    hdus: Any, index: int, instrument: Instrument, path: str | Path, require_time: bool
) -> tuple[FrameHeader, Any]:
    header = hdus[index].header
    shape = _shape(header, path)
    keys = Keywords(header, hdus[0].header, instrument, str(path))
    wcs, scale = _celestial(header, hdus, path)
    parsed = read_keywords(keys, instrument, shape, scale_arcsec=scale, require_time=require_time)
    return parsed, wcs


def _celestial(header: Any, hdus: Any, path: str | Path) -> tuple[Any, float | None]:
    """Return the WCS and its scale [arcsec/pixel], or (None, None) for a plain image."""
    kinds = [str(header.get(f"CTYPE{axis}", "")).strip().upper() for axis in (1, 2)]
    if all(kind in IMAGE_AXES for kind in kinds):
        return None, None
    try:
        check_wcs(header)
        wcs = WCS(header, fobj=hdus, naxis=2)
        celestial = bool(wcs.has_celestial)
        scale = float(np.mean(proj_plane_pixel_scales(wcs))) * 3600.0 if celestial else math.nan
        corner = wcs.all_pix2world([[0.0, 0.0]], 0) if celestial else np.array([math.nan])
    except Exception as error:  # wcslib, astropy and numpy each have their own
        raise FrameError("bad_wcs", f"{path}: the WCS keywords do not work: {error}") from error
    if not celestial:
        raise FrameError("not_sky", f"{path}: CTYPE1, CTYPE2 are {kinds}: not axes of the sky")
    if not (np.all(np.isfinite(corner)) and 0.0 < scale < 3600.0):
        raise FrameError("bad_wcs", f"{path}: the WCS keywords give no position on the sky")
    return wcs, scale


def _pixels(hdu: Any, shape: tuple[int, int], path: str | Path) -> npt.NDArray[np.float32]:
    """Return the image as native float32, (ny, nx)."""
    data = hdu.data
    if data is None or data.size != shape[0] * shape[1]:
        raise FrameError("corrupt_fits", f"{path}: the image holds less than its header declares")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(np.asarray(data).reshape(shape), dtype=np.float32)


def _mask(hdus: Any, shape: tuple[int, int], path: str | Path) -> Mask | None:
    hdu = _extension(hdus, "MASK")
    if hdu is None:
        return None
    if hdu.shape != shape:
        raise FrameError("bad_mask", f"{path}: extension MASK is {hdu.shape}, the image {shape}")
    return np.asarray(np.asarray(hdu.data) != 0)


def _psf(hdus: Any, shape: tuple[int, int], path: str | Path) -> FieldPsf | None:
    hdu = _extension(hdus, "PSF")
    if hdu is None:
        return None
    check_psf_header(hdu.header, hdu.shape, str(path))
    return field_psf_from_extension(hdu.header, hdu.data, shape, str(path))
