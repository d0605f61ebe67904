"""PNet as a way to find stars in a frame: network, tiles, decoding and calibration together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.candidates import Candidates
from csstream.imaging.finding.confusion import Confusion
from csstream.imaging.finding.pnet import (
    Decoded,
    Picked,
    Radii,
    empty_pixel_noise,
    join,
    pick,
    prepare,
    resolve,
)
from csstream.imaging.finding.pnet_calibration import Calibration
from csstream.imaging.finding.tiling import Core, Tiling, run_tiled
from csstream.imaging.frames.background import Background
from csstream.imaging.frames.frame import Frame
from csstream.imaging.psf.pixel_psf import PixelPsf

if TYPE_CHECKING:
    from csstream.inference.session import Session

Image = npt.NDArray[np.float32]

POSITION_SIGMA = 0.1  # [pixel] a joint fit's best prior around PNet's positions, sharp PSF
MIN_SNR = 3.0  # PNet's own probability is the better judge; this drops what the fit empties


@dataclass(frozen=True, kw_only=True)
class PnetSettings:
    """How PNet's output becomes a list; what is None is taken from the model card."""

    threshold: float | None = None  # on the raw score
    batch: int = 1  # tiles per call; more pays on a GPU
    core: int = 720  # [pixel] largest side of a tile without its halo
    threads: int = 1  # tiles computed at a time; the result does not depend on it


class PnetStrategy:
    """Finds stars with PNet (a ``DetectionStrategy``).

    Attributes
    ----------
    name : str
        ``pnet``.
    model : str
        The network's name and short hash.
    provider : str
        What computes, in onnxruntime's words.
    confusion : Confusion
        What its lists lack, from the model card.
    """

    name = "pnet"

    def __init__(self, session: Session, settings: PnetSettings | None = None) -> None:
        chosen = PnetSettings() if settings is None else settings
        card = session.card.values
        self._session = session
        self._settings = chosen
        stored = float(card["threshold"])
        self.threshold = stored if chosen.threshold is None else chosen.threshold
        self.tiling = Tiling(core=chosen.core, halo=int(card["halo"]), stride=int(card["stride"]))
        self.radii = Radii(**card.get("radii", {}))
        self.calibration = Calibration.from_card(card)
        self.confusion = Confusion(**card.get("confusion", {}))
        self.model = session.card.version
        self.provider = session.provider

    @property
    def position_sigma(self) -> float:
        """Return how far the finds lie from the truth [pixel]."""
        return POSITION_SIGMA * self.radii.offset

    @property
    def min_snr(self) -> float:
        """Return the S/N of the fitted flux below which a find is dropped."""
        return MIN_SNR

    def detect(self, frame: Frame, background: Background, psf: PixelPsf) -> Candidates:
        """Return the stars of a frame; the PSF is not needed, PNet has learnt a range of them."""
        return self.detect_in(frame.image, background.level, frame.read_noise, frame.mask)

    def detect_in(
        self,
        image: Image,
        level: npt.NDArray[np.floating] | float,
        read_noise: float,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> Candidates:
        """Return the stars of an image, brightest score first.

        Parameters
        ----------
        image : ndarray, (ny, nx), float32 [electron]
        level : float or ndarray, (ny, nx) [electron]
            Background.
        read_noise : float [electron]
        mask : ndarray, (ny, nx), bool, optional
            True where a pixel is unusable.
        """
        found = self.decode_in(image, level, read_noise, mask)
        ny, nx = image.shape
        row = np.clip(np.rint(found.y).astype(np.int64), 0, ny - 1)
        column = np.clip(np.rint(found.x).astype(np.int64), 0, nx - 1)
        below = np.broadcast_to(np.asarray(level), image.shape)[row, column]
        noise = empty_pixel_noise(below, read_noise).astype(np.float64)
        flux = np.exp(found.ln_flux.astype(np.float64)) * noise
        return Candidates(found.x, found.y, flux, self.probability(found.logit))

    def decode_in(
        self,
        image: Image,
        level: npt.NDArray[np.floating] | float,
        read_noise: float,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> Decoded:
        """Return what the heads say, in the network's units; arguments as :meth:`detect_in`."""
        ny, nx = image.shape
        levels = np.broadcast_to(np.asarray(level), (ny, nx))

        def cut(rows: slice, columns: slice) -> Image:
            bad = None if mask is None else mask[rows, columns]
            return prepare(image[rows, columns], levels[rows, columns], read_noise, bad)

        def chosen(core: Core) -> Picked:
            return pick(core.heads, self.threshold, core.top, core.left)

        batch, threads = self._settings.batch, self._settings.threads
        parts = run_tiled(
            cut, (ny, nx), self._run, self.tiling, chosen, batch=batch, threads=threads
        )
        return resolve(join(parts), (ny, nx), self.radii)

    def probability(self, logit: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the calibrated probability that a find is a star, (n,), from the raw logit."""
        return self.calibration.probability(logit)

    def _run(self, tiles: Image) -> Image:
        (heads,) = self._session.run({"image": tiles})
        result: Any = heads
        return result
