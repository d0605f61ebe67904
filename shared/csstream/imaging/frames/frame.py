"""One detector's exposure in memory, in electrons, and the summary of its header."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.frames.flags import Flag
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf

LARGEST = 1e12  # [electron] a pixel beyond holds no light; its square would exceed float32

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
FlagMap = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class FrameHeader:
    """What the header and the instrument file together say about a frame.

    Everything is in the program's units: electrons, seconds, magnitudes of one electron per
    second, MJD TAI. ``mjd_mid_tai`` is nan where a time was not asked for and not given.
    """

    instrument: str  # the instrument file's name
    detector: int
    band: str
    exposure_time: float  # [s]
    mjd_mid_tai: float  # [day]
    shape: tuple[int, int]  # (ny, nx)
    unit_electrons: float  # [electron/image unit]
    read_noise: float  # [electron]
    saturation: float  # [electron]
    zero_point: float  # [mag] of one electron per second
    pixel_scale_arcsec: float  # [arcsec/pixel], of the WCS where there is one
    has_wcs: bool
    pointing: tuple[float, float]  # [deg] ICRS; header's RA and DEC, else the instrument file's
    summary: dict[str, str] = field(default_factory=dict)  # a few keywords for people


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One exposure of one detector.

    Attributes
    ----------
    image : ndarray, (ny, nx), float32 [electron]
        Sky included. Pixels without data hold zero and are masked.
    mask : ndarray, (ny, nx), bool
        True where a pixel must not be used in a fit.
    flags : ndarray, (ny, nx), int32
        Bits of :class:`csstream.imaging.frames.flags.Flag` saying why.
    wcs : astropy.wcs.WCS or None
        Celestial WCS, 0-based pixels with centres at integers.
    psf : FieldPsf or None
        From the frame's PSF extension.
    """

    image: Image
    mask: Mask
    flags: FlagMap
    header: FrameHeader
    wcs: Any = None
    psf: FieldPsf | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Return (ny, nx)."""
        ny, nx = self.image.shape
        return ny, nx

    @property
    def exposure_time(self) -> float:
        """Return the exposure time [s]."""
        return self.header.exposure_time

    @property
    def read_noise(self) -> float:
        """Return the read noise [electron RMS]."""
        return self.header.read_noise

    @property
    def saturation(self) -> float:
        """Return the level at which a pixel saturates [electron]."""
        return self.header.saturation

    @property
    def zero_point(self) -> float:
        """Return the magnitude of one electron per second."""
        return self.header.zero_point

    @property
    def band(self) -> str:
        """Return the band's name."""
        return self.header.band

    @property
    def mjd_mid_tai(self) -> float:
        """Return the time of mid-exposure [day, MJD TAI]; nan if unknown."""
        return self.header.mjd_mid_tai


def blank_header(
    *,
    instrument: str = "simulated",
    detector: int = 0,
    band: str = "i",
    exposure_time: float = 1.0,
    mjd_mid_tai: float = math.nan,
    shape: tuple[int, int] = (0, 0),
    read_noise: float = 0.0,
    saturation: float = math.inf,
    zero_point: float = 25.0,
    pixel_scale_arcsec: float = 1.0,
) -> FrameHeader:
    """Return a header for an image that came from no file, for simulation and tests."""
    return FrameHeader(
        instrument=instrument,
        detector=detector,
        band=band,
        exposure_time=exposure_time,
        mjd_mid_tai=mjd_mid_tai,
        shape=shape,
        unit_electrons=1.0,
        read_noise=read_noise,
        saturation=saturation,
        zero_point=zero_point,
        pixel_scale_arcsec=pixel_scale_arcsec,
        has_wcs=False,
        pointing=(math.nan, math.nan),
    )


def frame_from_array(
    image: npt.NDArray[Any],
    header: FrameHeader,
    *,
    wcs: Any = None,
    psf: FieldPsf | PixelPsf | None = None,
    bad: Mask | None = None,
) -> Frame:
    """Make a frame of an image in electrons: mask what is not finite, absurd, bad or saturated.

    Parameters
    ----------
    image : ndarray, (ny, nx) [electron]
    bad : ndarray, (ny, nx), bool, optional
        True for pixels known to be bad.
    """
    if isinstance(psf, PixelPsf):
        psf = FieldPsf.constant(psf)
    values = np.ascontiguousarray(image, dtype=np.float32)
    known = np.abs(values) < LARGEST
    unusable = ~known if bad is None else ~known | bad
    values = np.where(known, values, np.float32(0.0))
    flags = np.where(unusable, np.int32(Flag.MASKED), np.int32(0))
    flags[(values >= header.saturation) & ~unusable] |= np.int32(Flag.SATURATED)
    return Frame(image=values, mask=flags != 0, flags=flags, header=header, wcs=wcs, psf=psf)
