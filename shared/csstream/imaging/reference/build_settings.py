"""How a reference catalogue is built."""

from __future__ import annotations

from dataclasses import dataclass, field

from csstream.imaging.measure_settings import MeasureSettings


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What is averaged, what is stacked, and what is kept."""

    measure: MeasureSettings = field(default_factory=MeasureSettings)
    most_frames: int = 30  # of more, those with the best seeing and sky are taken
    merge_radius: float = 0.4  # [pixel] of two stars closer than it, the brighter one stays
    match_radius_fwhm: float = 0.35  # [FWHM] within which finds of two frames are one star
    least_weight: float = 0.2  # of the best frame's: worse frames do not enter the stack
    least_coverage: float = 0.3  # of the stack's frames that must show a pixel
    stack_snr: float = 4.0  # least flux over error of a star that the stack adds
    stack_wing_error: float = 0.003  # relative; the stack's PSF averages many
    rim: int = 2  # [pixel] along the stack's edges and holes, where single frames know better
    expected_snr: float = 7.0  # in one frame: a star of the stack this clear must be seen there,
    least_share: float = 0.3  # in at least this share of the frames that show its place
    single_snr: float = 5.0  # of a star that a single frame shows, beside the stack
    beside: int = 12  # [pixel] around the stack where one frame's find is enough
