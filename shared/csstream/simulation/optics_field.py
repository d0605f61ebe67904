"""The true PSF of a simulated telescope: tables on a grid of field points, mixed in between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError, mixed

Float = npt.NDArray[np.float64]
FIT_POINTS = 9  # along each axis: where a polynomial is fitted to the grid


@dataclass(frozen=True, eq=False)
class OpticsField:
    """A pixel-integrated PSF that is bilinear in the position between grid nodes.

    Parameters
    ----------
    nodes : tuple of PixelPsf
        One table per node, ``nodes[j * len(x_nodes) + i]`` at (x_nodes[i], y_nodes[j]).
    x_nodes, y_nodes : ndarray, (a,) and (b,), rising [pixel]
        Beyond the outermost nodes the PSF is that of the edge.

    Raises
    ------
    PsfError
        The number of tables does not fit the grid, or a grid does not rise.
    """

    nodes: tuple[PixelPsf, ...]
    x_nodes: Float
    y_nodes: Float

    def __post_init__(self) -> None:
        wanted = self.x_nodes.size * self.y_nodes.size
        if wanted == 0 or len(self.nodes) != wanted:
            raise PsfError(f"the grid takes {wanted} tables, not {len(self.nodes)}")
        if np.any(np.diff(self.x_nodes) <= 0.0) or np.any(np.diff(self.y_nodes) <= 0.0):
            raise PsfError("the grid's coordinates must rise")

    @property
    def half_width(self) -> int:
        """Largest half-width of a stamp that the tables cover [pixel]."""
        return self.nodes[0].half_width

    @property
    def oversampling(self) -> int:
        """Samples per pixel."""
        return self.nodes[0].oversampling

    @property
    def fwhm(self) -> float:
        """FWHM in the middle of the grid, pixel response included [pixel]."""
        return self.central.fwhm

    @cached_property
    def central(self) -> PixelPsf:
        """The PSF in the middle of the grid."""
        x, y = (0.5 * (nodes[0] + nodes[-1]) for nodes in (self.x_nodes, self.y_nodes))
        return self.at(float(x), float(y))

    def weights(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Float:
        """Return the share of every node at positions (n,) [pixel]; (n, nodes), rows sum to 1."""
        along_x = _hats(np.atleast_1d(np.asarray(x, np.float64)), self.x_nodes)
        along_y = _hats(np.atleast_1d(np.asarray(y, np.float64)), self.y_nodes)
        shares = along_y[:, :, None] * along_x[:, None, :]
        return np.asarray(shares.reshape(shares.shape[0], -1), np.float64)

    def at(self, x: float, y: float) -> PixelPsf:
        """Return the PSF at one place [pixel]."""
        return mixed(self.nodes, self.weights(x, y)[0])

    def render(
        self,
        image: npt.NDArray[np.floating],
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        flux: npt.ArrayLike,
        half_width: npt.ArrayLike,
    ) -> None:
        """Add stars to ``image`` in place; arguments as :meth:`PixelPsf.render`.

        A star is the sum of its nodes' stars: at most four tables each.
        """
        xs, ys, electrons, half = (
            np.atleast_1d(part) for part in np.broadcast_arrays(x, y, flux, half_width)
        )
        shares = self.weights(xs, ys)
        for k, node in enumerate(self.nodes):
            lit = np.flatnonzero(shares[:, k])
            node.render(image, xs[lit], ys[lit], electrons[lit] * shares[lit, k], half[lit])

    def stretched(self, width: float, ellipticity: tuple[float, float]) -> OpticsField:
        """Return the field with every table stretched; see :func:`stretched`."""
        tables = tuple(stretched(node, width, ellipticity) for node in self.nodes)
        return OpticsField(tables, self.x_nodes, self.y_nodes)

    def polynomial(self, degree: int = 2) -> FieldPsf:
        """Return the least-squares polynomial of the position, as a frame's extension holds it.

        The degree is lowered where the grid has too few nodes for it.
        """
        degree = min(degree, self.x_nodes.size - 1, self.y_nodes.size - 1)
        x, y = (np.linspace(n[0], n[-1], FIT_POINTS) for n in (self.x_nodes, self.y_nodes))
        points = [each.ravel() for each in np.meshgrid(x, y)]
        origin = (float(x[FIT_POINTS // 2]), float(y[FIT_POINTS // 2]))
        scale = (max(float(np.ptp(x)) / 2.0, 1.0), max(float(np.ptp(y)) / 2.0, 1.0))
        terms = (self.nodes[0],) * ((degree + 1) * (degree + 2) // 2)
        monomials = FieldPsf(terms, degree, origin, scale).weights(*points)
        mixing = np.linalg.pinv(monomials) @ self.weights(*points)
        return FieldPsf(tuple(mixed(self.nodes, row) for row in mixing), degree, origin, scale)


def stretched(psf: PixelPsf, width: float, ellipticity: tuple[float, float]) -> PixelPsf:
    """Return a PSF ``width`` times as wide, stretched by 1 + e1 along x, 1 − e1 along y and e2.

    For changes of a few percent: the pixel's response is stretched along, which a PSF without
    power beyond one cycle per pixel does not show.
    """
    e1, e2 = ellipticity
    inverse = np.linalg.inv(width * np.array([[1.0 + e1, e2], [e2, 1.0 - e1]]))
    reach = psf.samples.shape[0] // 2
    offset = np.arange(-reach, reach + 1) / psf.oversampling
    dx = inverse[0, 0] * offset[None, :] + inverse[0, 1] * offset[:, None]
    dy = inverse[1, 0] * offset[None, :] + inverse[1, 1] * offset[:, None]
    samples = psf.evaluate(dx, dy)
    return PixelPsf(samples * (psf.oversampling**2 / samples.sum()), psf.oversampling)


def _hats(position: Float, nodes: Float) -> Float:
    """Linear shares (n, m) of ``nodes`` (m,) at positions (n,), constant beyond the ends."""
    rows = [np.interp(position, nodes, unit) for unit in np.eye(nodes.size)]
    return np.asarray(np.stack(rows, axis=1), np.float64)
