"""A network of fixed tile shape over a frame of any shape.

The frame is cut into disjoint cores; each core is computed inside a tile that reaches a halo
further. With a halo of at least the network's reach, the result does not depend on the tiles:
beyond the frame's edge there are zeros (an empty, unusable sky) however it is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Cut = Callable[[slice, slice], Image]
Corner = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Shape of the tiles [pixel]: side of the core, halo around it, stride of the network.

    Raises ValueError when core or halo is no multiple of the stride: the network's cells would
    then lie differently in every tile.
    """

    core: int = 720
    halo: int = 24
    stride: int = 2

    def __post_init__(self) -> None:
        if self.core <= 0 or self.halo < 0 or self.core % self.stride or self.halo % self.stride:
            raise ValueError(
                f"core {self.core} and halo {self.halo} must be multiples of {self.stride}"
            )

    def fitted(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the core's sides (y, x) for a frame: equal shares, at most :attr:`core`."""
        y, x = (self._share(n) for n in shape)
        return y, x

    def _share(self, n: int) -> int:
        cores = max(1, -(-n // self.core))
        return max(1, -(-n // (cores * self.stride))) * self.stride


def core_corners(shape: tuple[int, int], core: tuple[int, int]) -> Iterator[Corner]:
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
    cut: Cut,
    shape: tuple[int, int],
    run: Callable[[Image], Image],
    tiling: Tiling,
    use: Callable[[Core], T],
    *,
    batch: int = 1,
    threads: int = 1,
) -> list[T]:
    """Apply a network to a frame, tile by tile, and return what ``use`` makes of each core.

    Parameters
    ----------
    cut : callable
        Maps slices of rows and columns, both inside the frame, to the inputs there, (c, y, x)
        float32. The inputs of the whole frame are never held.
    shape : (ny, nx)
    run : callable
        Maps (batch, c, ty, tx) to (batch, h, ty, tx); every call has the same shape.
    use : callable
        Called with each core as soon as it is there. The results are in the order of
        :func:`core_corners`, whatever the threads.
    batch : int
        Tiles per call; the last call is filled up with empty ones.
    threads : int
        Calls at a time; ``run`` must allow it.
    """
    core = tiling.fitted(shape)
    corners = list(core_corners(shape, core))
    groups = [corners[first : first + batch] for first in range(0, len(corners), batch)]

    def compute(group: list[Corner]) -> list[T]:
        tiles = [_tile(cut, shape, corner, core, tiling.halo) for corner in group]
        tiles += [np.zeros_like(tiles[0])] * (batch - len(group))
        heads = run(np.stack(tiles))
        whole = zip(heads, group, strict=False)
        return [use(_core(tile, corner, shape, core, tiling.halo)) for tile, corner in whole]

    if threads == 1:
        return [result for group in groups for result in compute(group)]
    with ThreadPoolExecutor(threads) as pool:
        return [result for results in pool.map(compute, groups) for result in results]


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


def _tile(
    cut: Cut, shape: tuple[int, int], corner: Corner, core: tuple[int, int], halo: int
) -> Image:
    """Return a core's inputs with its halo, (c, ty, tx); zeros beyond the frame."""
    inside, beyond = [], []
    for first, side, n in zip(corner, core, shape, strict=True):
        low, high = first - halo, first + side + halo
        inside.append(slice(max(low, 0), min(high, n)))
        beyond.append((max(-low, 0), max(high - n, 0)))
    return np.pad(cut(inside[0], inside[1]), [(0, 0), *beyond])


def _core(
    heads: Image, corner: Corner, shape: tuple[int, int], core: tuple[int, int], halo: int
) -> Core:
    """Return the part of a tile's outputs (h, ty, tx) that lies in its core and in the frame."""
    height, width = (min(c, n - first) for c, n, first in zip(core, shape, corner, strict=True))
    return Core(heads[:, halo : halo + height, halo : halo + width], *corner)
