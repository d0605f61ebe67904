"""What measuring one frame yields, whatever the strategy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from csstream.imaging.measure import SourceTable


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameResult:
    """The sources of one frame on the sky, and what is known of the frame."""

    sources: SourceTable
    footprint: npt.NDArray[np.int64]  # cells that the frame touches, increasing
    zero_point: float  # [mag] of one electron per second, tied to the reference frame
    zero_point_err: float  # [mag]
    fwhm: float  # [pixel]
    background: float  # [electron/s/pixel], median
    match_radius_arcsec: float
    method: str  # pnet, classical or reference
    model: str
    provider: str
    timings: dict[str, float] = field(default_factory=dict)  # [s] by step
    reference_family: str = ""  # of that catalogue
    reference_version: str = ""  # of the catalogue whose list was measured; empty: none
