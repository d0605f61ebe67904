"""The rules by which sources become objects, as every program takes them unless told otherwise."""

from __future__ import annotations

from typing import Final

MATCH_RADIUS_FWHM: Final = 0.5  # [FWHM] two sources closer than this are one object
MARGIN_MATCH_RADII: Final = 4.0  # how far a batch reaches beyond its cell
CONFIRM_SOURCES: Final = 3  # sources that make an object …
CONFIRM_EPOCHS: Final = 20  # … within so many epochs of its cell
