"""Simulated frames as FITS files: header, WCS, PSF extension, atomic writing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.wcs import WCS

from csstream.imaging.psf.extension import psf_extension
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.instruments.instrument import Instrument

DETECTOR_GAP = 40.0  # [pixel] between the fields of neighbouring detectors
PSF_REACH = 24  # [pixel] half-width of the PSF extension: beyond lies 1 % of the light


@dataclass(frozen=True, kw_only=True)
class FrameFacts:
    """What is true of one simulated frame and, in part, told in its header."""

    file: str
    visit: int
    detector: int
    mjd_start_tai: float  # [day]
    mjd_mid_tai: float  # [day]
    dither_x: float  # [pixel] added to the field's x
    dither_y: float  # [pixel]
    psf_scale: float  # true width over nominal width; not in the header
    zero_point: float  # [mag] true; the header holds the nominal one
    sky: float = 1.0  # over the nominal sky; not in the header


def field_wcs(instrument: Instrument, shape: tuple[int, int], detector: int) -> WCS:
    """Return the undithered TAN WCS of one detector: north up, east left, 0-based pixels.

    Detectors lie side by side along x with a gap of ``DETECTOR_GAP`` pixels.
    """
    ny, nx = shape
    scale = instrument.detector.pixel_scale_arcsec / 3600.0
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [instrument.pointing.ra, instrument.pointing.dec]
    offset = (detector - 1) * (nx + DETECTOR_GAP)
    wcs.wcs.crpix = [0.5 * (nx + 1) - offset, 0.5 * (ny + 1)]
    wcs.wcs.cdelt = [-scale, scale]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameWriter:
    """Writes the frames of one detector."""

    instrument: Instrument
    wcs: WCS  # undithered
    psf: PixelPsf | FieldPsf | None  # the extension PSF: what an observer is told; None: nothing
    detectors: int
    compress: bool
    origin: str = "csstream simulate survey"

    def write(
        self,
        path: Path,
        image: npt.NDArray[np.float32],
        facts: FrameFacts,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Write one frame under a temporary name and rename it into place.

        image : (ny, nx) float32 [electron]; stored in the instrument's unit, rounded to int32
        mask : (ny, nx) bool, true for pixels known to be bad; None writes no extension MASK
        """
        counts = np.rint(image / self.instrument.detector.gain).astype(np.int32)
        hdus = _image_hdus(counts, self.header(facts), self.compress)
        if mask is not None:
            hdus.append(_mask_hdu(mask, self.compress))
        if self.psf is not None:
            hdus.append(_psf_hdu(self.psf))
        temporary = path.with_name(f".{path.name}.part")
        fits.HDUList(hdus).writeto(temporary, overwrite=True)
        temporary.replace(path)

    def header(self, facts: FrameFacts) -> fits.Header:
        """Return the header that the FITS contract asks for."""
        instrument = self.instrument
        dithered = self.wcs.deepcopy()
        dithered.wcs.crpix = self.wcs.wcs.crpix + np.array([facts.dither_x, facts.dither_y])
        header = dithered.to_header()
        cards: list[tuple[str, Any, str]] = [
            ("INSTRUME", instrument.instrume, "camera"),
            ("DETECTOR", facts.detector, "number of the detector"),
            ("OBSID", str(facts.visit), "pointing that the detectors share"),
            ("NDETECT", self.detectors, "detectors in this pointing"),
            ("FILTER", instrument.band, "band"),
            ("EXPTIME", instrument.cadence.exposure_time, "[s] exposure time"),
            ("MJD-OBS", facts.mjd_start_tai, "[d] start of the exposure"),
            ("TIMESYS", "TAI", "time scale"),
            ("GAIN", instrument.detector.gain, "[electron/unit]"),
            ("RDNOISE", instrument.detector.read_noise, "[electron] RMS"),
            ("MAGZERO", _unit_zero_point(instrument), "[mag] AB of one unit per second"),
            ("SATURATE", instrument.detector.saturation, "full well, image units"),
            ("BUNIT", instrument.detector.bunit, "unit of the image"),
            ("ORIGIN", self.origin, ""),
        ]
        for keyword, value, comment in cards:
            header[keyword] = (value, comment)
        return header


def _unit_zero_point(instrument: Instrument) -> float:
    return instrument.photometry.zero_point - 2.5 * float(np.log10(instrument.detector.gain))


def _image_hdus(counts: npt.NDArray[np.int32], header: fits.Header, compress: bool) -> list[Any]:
    if not compress:
        return [fits.PrimaryHDU(counts, header)]
    image = fits.CompImageHDU(counts, header, name="SCI", compression_type="RICE_1")
    return [fits.PrimaryHDU(), image]


def _mask_hdu(mask: npt.NDArray[np.bool_], compress: bool) -> Any:
    values = mask.astype(np.uint8)
    if not compress:
        return fits.ImageHDU(values, name="MASK")
    return fits.CompImageHDU(values, name="MASK", compression_type="RICE_1")


def _psf_hdu(psf: PixelPsf | FieldPsf) -> fits.ImageHDU:
    field = FieldPsf.constant(psf) if isinstance(psf, PixelPsf) else psf
    samples, cards = psf_extension(field, PSF_REACH)
    hdu = fits.ImageHDU(samples, name="PSF")
    for keyword, value in cards.items():
        hdu.header[keyword] = value
    hdu.header.comments["OVERSAMP"] = "samples per detector pixel"
    return hdu
