"""The vectors of the joint fit: eight neighbouring pixels of a stamp's row at once."""

from __future__ import annotations

from typing import Final

from csstream.numerics.vectors import loader, spreader

LANES: Final = 8
load, spread = loader(LANES), spreader(LANES)
