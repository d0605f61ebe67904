"""What a detection strategy is, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from csstream.imaging.frames.background import Background
from csstream.imaging.frames.frame import Frame
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Stars that may be there; all arrays (n,), float64.

    ``probability`` is that of a real star; a strategy that has none gives ones.
    """

    x: Float  # [pixel] 0-based
    y: Float  # [pixel]
    flux: Float  # [electron]
    probability: Float

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.y) == len(self.flux) == len(self.probability):
            raise ValueError("columns of Candidates differ in length")

    def __len__(self) -> int:
        return len(self.x)

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Candidates:
        """Return the rows chosen by a mask or by indices."""
        return Candidates(self.x[keep], self.y[keep], self.flux[keep], self.probability[keep])

    def joined(self, other: Candidates) -> Candidates:
        """Return these and then the others."""
        return Candidates(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.y, other.y]),
            np.concatenate([self.flux, other.flux]),
            np.concatenate([self.probability, other.probability]),
        )


class DetectionStrategy(Protocol):
    """Finds the stars of a frame; the joint fit measures them."""

    @property
    def name(self) -> str:
        """``pnet`` or ``classical``."""

    @property
    def model(self) -> str:
        """Name and hash of the network, or the classical method's version."""

    @property
    def provider(self) -> str:
        """The processor's name in onnxruntime; empty for classical."""

    @property
    def position_sigma(self) -> float:
        """How far the candidates lie from the truth [pixel]: the joint fit's position prior."""

    @property
    def min_snr(self) -> float:
        """Least flux over error of a measured star that is kept."""

    def detect(self, frame: Frame, background: Background, psf: PixelPsf) -> Candidates:
        """Return the candidates of a frame whose bad pixels have been filled."""
