"""A scene's expectation with torch, on a CPU or a GPU: stars on a fine grid, then one convolution.

A star of :class:`csstream.imaging.psf.pixel_psf.PixelPsf` is a sum of 16 spline coefficients per
pixel. So its flux is spread over 16 points of a grid as fine as the table, and the grid is
convolved with the coefficients by FFT, phase by phase. The result is that of ``PixelPsf.render``
with stamps as wide as the table, at a cost that hardly depends on the number of stars. Double
precision: a transform in single precision spreads 1e-7 of the brightest star over the whole scene.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from csstream.imaging.psf.pixel_psf import PixelPsf

MARGIN = 2  # [pixel] beyond the table's reach: the spline's support


class SceneRenderer:
    """Renders stars of one PSF into frames of one shape (ny, nx) on one device."""

    def __init__(self, psf: PixelPsf, shape: tuple[int, int], device: str = "cpu") -> None:
        self.shape, self.device, self.oversampling = shape, torch.device(device), psf.oversampling
        self.pad = psf.half_width + MARGIN
        self.grid = (shape[0] + 2 * self.pad, shape[1] + 2 * self.pad)
        self.kernels = torch.fft.rfft2(self._phases(psf))

    def render(self, x: npt.ArrayLike, y: npt.ArrayLike, flux: npt.ArrayLike) -> Tensor:
        """Return the light of stars at x, y (n,) [pixel] of ``flux`` (n,); (ny, nx), float64.

        Stars further beyond the edge than the table reaches are left out.
        """
        xs, ys, light = (
            torch.as_tensor(np.asarray(part, np.float64), device=self.device)
            for part in (x, y, flux)
        )
        grids = self._spread(xs, ys, light)
        spectrum = (torch.fft.rfft2(grids) * self.kernels).sum(0)
        image = torch.fft.irfft2(spectrum, s=self.grid)
        ny, nx = self.shape
        return image[self.pad : self.pad + ny, self.pad : self.pad + nx]

    def _phases(self, psf: PixelPsf) -> Tensor:
        """Coefficients that reach a pixel from each phase of the fine grid, (s², NY, NX)."""
        s, (rows, columns) = self.oversampling, self.grid
        kernel = np.zeros((s, s, rows, columns))
        size = psf.coefficients.shape[0]
        steps = np.arange(-self.pad, self.pad + 1)
        for ry in range(s):
            for rx in range(s):
                j, i = (steps * s - r + psf.centre for r in (ry, rx))
                in_j, in_i = ((k >= 0) & (k < size) for k in (j, i))
                target = np.ix_(steps[in_j] % rows, steps[in_i] % columns)
                kernel[ry, rx][target] = psf.coefficients[np.ix_(j[in_j], i[in_i])]
        return torch.as_tensor(kernel.reshape(s * s, rows, columns), device=self.device)

    def _spread(self, x: Tensor, y: Tensor, flux: Tensor) -> Tensor:
        """Spread stars over the fine grid, split by phase, (s², NY, NX)."""
        s, (rows, columns) = self.oversampling, self.grid
        top, weight_y = self._taps(y)
        left, weight_x = self._taps(x)
        inside = (top.amin(1) >= 0) & (top.amax(1) < rows * s)
        inside &= (left.amin(1) >= 0) & (left.amax(1) < columns * s)
        top, left = top[inside][:, :, None], left[inside][:, None, :]
        light = flux[inside, None, None] * weight_y[inside][:, :, None] * weight_x[inside][:, None]
        phase = (top % s) * s + left % s
        index = (phase * rows + top // s) * columns + left // s
        grids = torch.zeros(s * s * rows * columns, dtype=torch.float64, device=self.device)
        grids.index_add_(0, index.reshape(-1), light.reshape(-1))
        return grids.reshape(s * s, rows, columns)

    def _taps(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Four neighbouring fine grid points of positions (n,) and their weights, (n, 4)."""
        fine = (position + self.pad) * self.oversampling
        above = torch.ceil(fine)
        t = above - fine
        s = 1.0 - t
        weights = (
            s**3 / 6.0,
            (4.0 - 6.0 * t * t + 3.0 * t**3) / 6.0,
            (4.0 - 6.0 * s * s + 3.0 * s**3) / 6.0,
            t**3 / 6.0,
        )
        steps = torch.tensor([1, 0, -1, -2], device=self.device)
        return above.long()[:, None] + steps, torch.stack(weights, dim=1)
