"""What is kept of a frame's stars, and how hard they are looked for."""

from __future__ import annotations

from dataclasses import dataclass

from csstream.imaging.frames.background import DEFAULT_MESH


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """What is kept, and how hard stars are looked for."""

    min_snr: float | None = None  # None: the strategy's own
    min_probability: float = 0.05
    merge_radius: float = 0.4  # [pixel]
    rounds: tuple[tuple[int, float], ...] = ((4, 1.0), (3, 2.0), (3, 3.0))
    """Joint fits: Gauss–Newton iterations, and the position prior over the strategy's own."""
    second_look_snr: float = 5.0  # [sigma] in the residual; 0: no second look
    second_look_closest: float = 0.6  # [FWHM] from a known star, where the PSF is known well
    second_look_far: float = 1.0  # [FWHM] the same, where it is not
    wing_error: float = 0.01  # relative error of other stars' light under a faint star
    least_psf_error: float = 0.001  # relative error that even a well-known PSF has
    background_mesh: int = DEFAULT_MESH  # [pixel]
    poor_chi2: float = 5.0
    cosmic_rays: bool = True
    listed_prior: float = 0.02  # [pixel] of a listed star around its place on the frame
    listed_iterations: int = 3
    extras_snr: float = 5.0  # [sigma] in the residual of the list's fit; 0: nothing is looked for
    threads: int = 1  # of the joint fit; the result does not depend on it
