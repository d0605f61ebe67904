"""A PSF that varies over the field: tables weighted by polynomials of the position.

PSF(x, y) = Σₖ bₖ(x, y) termₖ with b the monomials of u = (x − x₀)/sₓ and v = (y − y₀)/s_y up to
a total degree, in PSFEx's order (Bertin 2011, ASP 442, 435): 1, u, u², …, v, u·v, …, v². A
constant PSF is the polynomial of degree zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError, mixed

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FieldPsf:
    """A PSF integrated over the pixel, tabulated, varying over the field.

    Parameters
    ----------
    terms : tuple of PixelPsf
        One table per monomial, all of one shape and oversampling. The first sums to one light,
        the others need not: see :meth:`at`.
    degree : int
        Total degree; there are (degree + 1)(degree + 2) / 2 terms.
    origin, scale : (x, y) [pixel]
        Zero point and unit of the polynomials' variables.

    Raises
    ------
    PsfError
        The number of terms does not fit the degree, or their tables differ in shape.
    """

    terms: tuple[PixelPsf, ...]
    degree: int = 0
    origin: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        wanted = (self.degree + 1) * (self.degree + 2) // 2
        if self.degree < 0 or len(self.terms) != wanted:
            raise PsfError(f"degree {self.degree} takes {wanted} tables, not {len(self.terms)}")
        first = self.terms[0]
        for term in self.terms[1:]:
            same = term.samples.shape == first.samples.shape
            if not same or term.oversampling != first.oversampling:
                raise PsfError("all tables of a PSF must have one shape and oversampling")
        if not (self.scale[0] > 0.0 and self.scale[1] > 0.0):
            raise PsfError(f"the unit of position must be positive, not {self.scale}")

    @classmethod
    def constant(cls, psf: PixelPsf) -> FieldPsf:
        """Return the PSF that is the same everywhere."""
        return cls((psf,))

    def weights(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Float:
        """Return the monomials at positions x, y (n,) [pixel]; (n, number of terms)."""
        u = (np.atleast_1d(np.asarray(x, np.float64)) - self.origin[0]) / self.scale[0]
        v = (np.atleast_1d(np.asarray(y, np.float64)) - self.origin[1]) / self.scale[1]
        powers = range(self.degree + 1)
        columns = [u**i * v**j for j in powers for i in powers if i + j <= self.degree]
        return np.stack(columns, axis=1)

    def at(self, x: float, y: float) -> PixelPsf:
        """Return the PSF at one place [pixel]."""
        if self.degree == 0:
            return self.terms[0]
        return mixed(self.terms, self.weights(x, y)[0])

    @cached_property
    def central(self) -> PixelPsf:
        """The PSF at the origin, for steps that a small change of width does not touch."""
        return self.at(*self.origin)

    @property
    def oversampling(self) -> int:
        """Samples per pixel."""
        return self.terms[0].oversampling

    @property
    def half_width(self) -> int:
        """Largest half-width of a stamp that the tables cover [pixel]."""
        return self.terms[0].half_width

    @property
    def fwhm(self) -> float:
        """FWHM at the origin, pixel response included [pixel]."""
        return self.central.fwhm

    def render(
        self,
        image: npt.NDArray[np.floating],
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        flux: npt.ArrayLike,
        half_width: npt.ArrayLike,
    ) -> None:
        """Add stars to ``image`` in place; arguments as :meth:`PixelPsf.render`."""
        weights = self.weights(x, y)
        electrons = np.atleast_1d(np.asarray(flux, np.float64))
        for k, term in enumerate(self.terms):
            term.render(image, x, y, electrons * weights[:, k], half_width)
