"""A network of fixed tile shape over a frame of any shape.

The frame is cut into disjoint cores; each core is computed inside a tile that reaches a halo
further. With a halo of at least the network's reach, the result does not depend on the tiles:
beyond the frame's edge there are zeros (an empty, unusable sky) however it is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Shape of the tiles [pixel]: side of the core, halo around it, stride of the network.

    Raises ValueError when core or halo is no multiple of the stride: the network's cells would
    then lie differently in every tile.
    """

    core: int = 464
    halo: int = 24
    stride: int = 2

    def __post_init__(self) -> None:
        if self.core <= 0 or self.halo < 0 or self.core % self.stride or self.halo % self.stride:
            raise ValueError(
                f"core {self.core} and halo {self.halo} must be multiples of {self.stride}"
            )

    def fitted(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the core's sides (y, x) for a frame: smaller where the frame is."""
        y, x = (min(self.core, -(-n // self.stride) * self.stride) for n in shape)
        return y, x


def core_corners(shape: tuple[int, int], core: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the top-left pixel (y, x) of every core; together they cover the frame."""
    for top in range(0, shape[0], core[0]):
        for left in range(0, shape[1], core[1]):
            yield top, left


class Core(NamedTuple):
    """One core's outputs (h, ny, nx) and its first pixel in the frame."""

    heads: Image
    top: int
    left: int


def run_tiled(
    inputs: Image, run: Callable[[Image], Image], tiling: Tiling, batch: int = 1
) -> Iterator[Core]:
    """Apply a network to a frame and yield its outputs core by core.

    Parameters
    ----------
    inputs : ndarray, (c, ny, nx), float32
    run : callable
        Maps (batch, c, ty, tx) to (batch, h, ty, tx); every call has the same shape.
    batch : int
        Tiles per call; the last call is filled up with empty ones.
    """
    _, ny, nx = inputs.shape
    core = tiling.fitted((ny, nx))
    corners = list(core_corners((ny, nx), core))
    padded = _padded(inputs, core, tiling.halo)
    for first in range(0, len(corners), batch):
        chosen = corners[first : first + batch]
        heads = run(_tiles(padded, chosen, core, tiling.halo, batch))
        for tile, (top, left) in zip(heads, chosen, strict=False):
            height, width = min(core[0], ny - top), min(core[1], nx - left)
            rows = slice(tiling.halo, tiling.halo + height)
            columns = slice(tiling.halo, tiling.halo + width)
            yield Core(tile[:, rows, columns], top, left)


def assemble(cores: Iterable[Core], shape: tuple[int, int]) -> Image:
    """Put cores together to one array, (h, ny, nx), float32; ``shape`` is (ny, nx)."""
    found: Image | None = None
    for heads, top, left in cores:
        if found is None:
            found = np.empty((heads.shape[0], *shape), np.float32)
        found[:, top : top + heads.shape[1], left : left + heads.shape[2]] = heads
    if found is None:
        raise ValueError(f"a frame of shape {shape} has no pixels")
    return found


def _padded(inputs: Image, core: tuple[int, int], halo: int) -> Image:
    """Return the inputs with zeros around: a halo, and up to the last core's end."""
    sides = [(0, 0)]
    for n, side in zip(inputs.shape[1:], core, strict=True):
        sides.append((halo, halo + (-n) % side))
    return np.pad(inputs, sides)


def _tiles(
    padded: Image, corners: list[tuple[int, int]], core: tuple[int, int], halo: int, batch: int
) -> Image:
    height, width = core[0] + 2 * halo, core[1] + 2 * halo
    tiles = np.zeros((batch, padded.shape[0], height, width), np.float32)
    for k, (top, left) in enumerate(corners):
        tiles[k] = padded[:, top : top + height, left : left + width]
    return tiles
