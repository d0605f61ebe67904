"""Units of the wire that arithmetic needs."""

from __future__ import annotations

from typing import Final

AB_ZERO_POINT_NJY: Final = 31.4  # [mag] AB magnitude of a flux of 1 nJy
