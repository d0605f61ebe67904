"""The classical strategy: SExtractor's core (``sep``) with the settings of the paper's Table 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sep

from csstream.imaging.background import Background
from csstream.imaging.candidates import Candidates
from csstream.imaging.frame import Frame
from csstream.imaging.psf import PixelPsf

MIN_AREA = 3  # [pixel]
THRESHOLD = 1.6  # [sigma of the sky]
DEBLEND_LEVELS = 60
DEBLEND_CONTRAST = 0.001
PIXEL_STACK_LEAST = 300_000  # sep's own default
SUB_OBJECTS = 16_384
EMPTY_COLUMNS = ("x", "y", "flux", "peak", "a", "b")


def extract(
    image: npt.NDArray[np.float32],
    noise: npt.NDArray[np.float32],
    threshold: float = THRESHOLD,
    least: int = MIN_AREA,
) -> npt.NDArray[np.void]:
    """Run ``sep.extract`` on a sky-subtracted image; structured array, one row per object.

    ``noise`` (ny, nx) is that of the sky; without any (zero), nothing is found.

    Limits of sep's memory are set by the image's size, so that no field is too crowded.
    """
    if not float(noise.max()) > 0.0:
        return np.empty(0, dtype=[(name, "f8") for name in EMPTY_COLUMNS])
    sep.set_extract_pixstack(max(PIXEL_STACK_LEAST, image.size))
    sep.set_sub_object_limit(SUB_OBJECTS)
    return sep.extract(
        np.ascontiguousarray(image, np.float32),
        threshold,
        err=np.maximum(noise, 1e-3 * float(noise.max())),
        minarea=least,
        deblend_nthresh=DEBLEND_LEVELS,
        deblend_cont=DEBLEND_CONTRAST,
    )


@dataclass(frozen=True)
class ClassicalStrategy:
    """Source extraction by threshold and deblending; the joint fit does the PSF photometry."""

    name: str = "classical"
    model: str = f"sep-{sep.__version__}"
    provider: str = ""
    position_sigma: float = 0.3  # [pixel] of blended centroids
    min_snr: float = 5.0  # there is no probability that would sort out noise

    def detect(self, frame: Frame, background: Background, psf: PixelPsf) -> Candidates:
        """Return what exceeds the threshold; ``probability`` is one: there is none."""
        sky_free = frame.image - background.level
        found = extract(sky_free, background.noise)
        x, y = np.asarray(found["x"], np.float64), np.asarray(found["y"], np.float64)
        # The peak bounds the flux of a star that stands on others' light.
        peak = np.asarray(found["peak"], np.float64) / float(psf.evaluate(0.0, 0.0))
        flux = np.maximum(np.minimum(np.asarray(found["flux"], np.float64), 1.5 * peak), 1.0)
        return Candidates(x, y, flux, np.ones(x.size))
