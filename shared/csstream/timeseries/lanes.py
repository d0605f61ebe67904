"""The vectors of the box search: the same epoch or bin of sixteen stars at once.

Sixteen floats are one register with AVX-512, two with AVX, four with SSE or NEON.
"""

from __future__ import annotations

from typing import Final

from csstream.numerics.vectors import loader, spreader

WIDTH: Final = 16
load, spread = loader(WIDTH), spreader(WIDTH)
