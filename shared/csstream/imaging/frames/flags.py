"""Every flag of a pixel and of a source, defined once.

The same bits serve the pixel map of a frame and the ``flags`` column of its sources: a source
carries the bits of the pixels in its core, and bits of its own.
"""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """Bits of ``flags`` (int32)."""

    MASKED = 1  # a pixel without data, or marked bad by the frame's MASK, lies in the core
    SATURATED = 2  # a saturated pixel lies in the core: the flux comes from the wings
    COSMIC_RAY = 4  # sharper than a star can be, or a star hit by such a pixel
    EDGE = 8  # the core is cut by the edge of the frame
    CROWDED = 16  # another star lies within one FWHM
    POOR_FIT = 32  # the residual in the core is much larger than its noise
    NOT_CONVERGED = 64  # the joint fit still moved the star at its last step


UNRELIABLE = Flag.MASKED | Flag.SATURATED | Flag.COSMIC_RAY | Flag.EDGE
"""Bits that make a single measurement unfit as evidence of variability."""


def describe(flags: int) -> str:
    """Return the names of the bits set in ``flags``, joined by commas; empty for zero.

    >>> describe(6)
    'saturated,cosmic_ray'
    """
    return ",".join(str(flag.name).lower() for flag in Flag if flags & flag)
