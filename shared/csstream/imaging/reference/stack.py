"""The second pass: frames laid over each other on the reference plane, without interpolation.

Every pixel of the plane takes the nearest pixel of each frame. The noise stays uncorrelated, as
the joint fit and the network want it, and the PSF of the stack is known exactly: the mean of the
frames' PSFs, each moved by what rounding moved its pixels. Cosmic rays and bad pixels are masked
in every frame; a hit that looks like a star, or lies on one, is known by what the others show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.fft
from numba import njit
from scipy.ndimage import maximum_filter

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.frames.checks import with_hidden_noise
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import Frame, Image
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.preparation import EXTENSION_ERROR, cleaned
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.estimate import PsfEstimate
from csstream.imaging.reference.frames_measured import Look
from csstream.imaging.reference.hits import Largest
from csstream.imaging.reference.plane import FrameMap

Float = npt.NDArray[np.float64]
FloatImage = npt.NDArray[np.float32]
CountImage = npt.NDArray[np.int16]

GRID = 32  # [pixel] between exactly computed positions; between them they are interpolated
PHASES = 16  # places along each axis at which the rounding is averaged
NEAR_FULL = 0.1  # of the level at which frames saturate
LEAST_SEEN = 3  # frames: of two none can be called wrong
LEAST_SKY = 1.0  # [electron] of the stack, so that no variance is zero


@dataclass(frozen=True, eq=False)
class Stack:
    """The stack as a frame, and where its first pixel lies on the plane."""

    frame: Frame
    origin: tuple[int, int]  # (x, y) of the plane [pixel]
    effective: float  # frames of equal weight that would give the same noise
    seen: CountImage  # (ny, nx) frames that show a pixel


class Stacker:
    """Adds frames one by one; holds six images of the plane, whatever the number of frames.

    Parameters
    ----------
    origin, shape : (x, y), (ny, nx) [pixel]
        The part of the plane that is stacked.
    zero_point : float [mag]
        Of the stack.
    """

    def __init__(self, origin: tuple[int, int], shape: tuple[int, int], zero_point: float) -> None:
        self.origin, self.shape, self.zero_point = origin, shape, zero_point
        self.total = np.zeros(shape, np.float32)
        self.weight = np.zeros(shape, np.float32)
        self.largest = np.zeros(shape, np.float32)  # [electron/s] of the frames' values
        self.its_frame = np.zeros(shape, np.int16)
        self.seen = np.zeros(shape, np.int16)
        self.saturated = np.zeros(shape, np.int16)
        self._sums = np.zeros(5)  # of w, w² rate/electron, w² sky, w² read noise², w²
        self._full = np.inf  # [electron/s] at which the first frame saturates
        self._weights: list[float] = []  # of the frames
        self._peaks: list[float] = []  # of their PSFs
        self._psf: Float | None = None
        self._oversampling = 1
        self._last: Frame | None = None

    def add(
        self, frame: Frame, look: Look, place: FrameMap, factor: float, settings: MeasureSettings
    ) -> None:
        """Add a frame, its sky taken off, its cosmic rays left out.

        ``factor``: the stack's electron/s of one electron/s of this frame.
        """
        background = estimate_background(frame.image, frame.mask, settings.background_mesh)
        frame = with_hidden_noise(frame, background.level)
        if look.psf is None:
            return
        psf = FieldPsf.constant(look.psf)
        estimate = PsfEstimate(psf, look.measured.psf_method, 0, EXTENSION_ERROR)
        clean, _ = cleaned(frame, background, estimate, cosmic_rays=settings.cosmic_rays)
        gain = factor / frame.exposure_time
        flat = (frame.flags & Flag.SATURATED) != 0
        columns, rows, gx, gy = self._grid(place)
        dx, dy = _gather(
            clean.image - background.level, clean.mask, flat, gx, gy, columns, rows,
            float(look.weight), gain, self.total, self.weight, self.largest, self.its_frame,
            len(self._weights), self.seen, self.saturated,
        )  # fmt: skip
        self._sum(look, gain, background.median, frame)
        self._add_psf(look.psf, dx, dy, look.weight)

    def finish(self, least: float) -> Stack:
        """Return the stack, in electrons of an exposure as deep as all frames together.

        Pixels that fewer than the share ``least`` of the frames show are masked. Raises FrameError
        ``no_frames`` where nothing was added.
        """
        if self._last is None or self._psf is None:
            raise FrameError("no_frames", "no frame could be stacked")
        w, photons, sky, read, squares = self._sums
        seconds = w**2 / photons  # so that the variance of starlight is its number of electrons
        scale = (seconds / w) ** 2
        level = max(sky * scale, LEAST_SKY)
        self._leave_hits_out()
        safe = np.maximum(self.weight, np.float32(1e-30))
        image = (self.total / safe * seconds + level).astype(np.float32)
        most = max(int(self.seen.max()), int(self.saturated.max()), 1)
        full = self._saturates(safe)
        blind = self.seen < max(least * most, 1.0)
        header = replace(
            self._last.header, exposure_time=float(seconds), shape=self.shape,
            read_noise=float(np.sqrt(read * scale)), zero_point=self.zero_point,
            saturation=float(self._full * seconds + level),
        )  # fmt: skip
        flags = np.where(full, np.int32(Flag.SATURATED), np.int32(0))
        flags |= np.where(blind & ~full, np.int32(Flag.MASKED), np.int32(0))
        image[blind] = level
        psf = PixelPsf(self._psf / (self._psf.sum() / self._oversampling**2), self._oversampling)
        frame = Frame(
            image=image, mask=blind | full, flags=flags, header=header,
            psf=FieldPsf.constant(psf),
        )  # fmt: skip
        return Stack(frame, self.origin, float(w**2 / squares), self.seen)

    def _leave_hits_out(self) -> None:
        """Take the largest value of a pixel out where it is no star's."""
        most = Largest(self.largest, self.its_frame, np.array(self._weights, np.float32))
        _, photons, sky, read, squares = self._sums
        noise = (photons / squares, (sky + read) / squares)
        sharper = max(self._peaks) / float(np.mean(self._peaks)) - 1.0
        known = (self.seen >= LEAST_SEEN) & (maximum_filter(self.saturated, 5) == 0)
        hit = most.hits(self.total, self.weight, self.seen, known, noise, sharper)
        self.total[hit] -= most.part[hit]
        self.weight[hit] -= most.weight[hit]

    def _saturates(self, weight: FloatImage) -> npt.NDArray[np.bool_]:
        """Tell which pixels saturate, (ny, nx).

        Where some frames do and the others come near it, these are the ones that show too little:
        their mean is no star's. Where the others show little, a cosmic ray has filled the pixel.
        """
        often = self.saturated * 2 > np.maximum(self.seen + self.saturated, 1)
        near = self.total / weight > NEAR_FULL * self._full
        return np.asarray(often | ((self.saturated > 0) & near))

    def _grid(self, place: FrameMap) -> tuple[Float, Float, Float, Float]:
        """Frame pixels of a coarse grid over the stack: its columns, rows, and x, y there."""
        columns = np.arange(0.0, self.shape[1] + GRID, GRID)
        rows = np.arange(0.0, self.shape[0] + GRID, GRID)
        i, j = np.meshgrid(columns + self.origin[0], rows + self.origin[1])
        x, y = place.to_frame(i.ravel(), j.ravel())
        return columns, rows, x.reshape(i.shape), y.reshape(i.shape)

    def _sum(self, look: Look, gain: float, sky: float, frame: Frame) -> None:
        w = look.weight
        variance = (w * gain) ** 2
        self._sums += [w, w * w * gain, variance * sky, variance * frame.read_noise**2, w * w]
        self._full = min(self._full, (frame.saturation - sky) * gain)
        self._last = frame

    def _add_psf(self, psf: PixelPsf, dx: Float, dy: Float, weight: float) -> None:
        """Add a frame's PSF, moved by each of the roundings (k,) [pixel]."""
        if self._psf is None:
            self._psf, self._oversampling = np.zeros_like(psf.samples), psf.oversampling
        same = _resampled(psf, self._oversampling, self._psf.shape[0])
        self._psf = self._psf + weight * _moved(same, dx, dy)
        self._weights.append(weight)
        self._peaks.append(float(psf.evaluate(0.0, 0.0)))


def _resampled(psf: PixelPsf, oversampling: int, side: int) -> PixelPsf:
    """Return the PSF as a table (side, side): a frame's own PSF has a table by its seeing."""
    if psf.oversampling == oversampling and psf.samples.shape[0] == side:
        return psf
    axis = (np.arange(side) - side // 2) / oversampling
    samples = psf.evaluate(axis[None, :], axis[:, None])
    return PixelPsf(samples * (oversampling**2 / samples.sum()), oversampling)


def _moved(psf: PixelPsf, dx: Float, dy: Float) -> Float:
    """Mean of a PSF's table moved so that it answers at offset + (dx, dy), (k,) [pixel]."""
    side = psf.samples.shape[0]
    size = scipy.fft.next_fast_len(2 * side, real=True)
    row = scipy.fft.fftfreq(size)[:, None] * psf.oversampling
    column = scipy.fft.rfftfreq(size)[:, None] * psf.oversampling
    phase = np.exp(2j * np.pi * row * dy) @ np.exp(2j * np.pi * column * dx).T / dx.size
    spectrum = scipy.fft.rfft2(psf.samples, s=(size, size))
    moved = scipy.fft.irfft2(spectrum * phase, s=(size, size))
    return np.asarray(moved[:side, :side], np.float64)


@njit(cache=True, nogil=True)
def _gather(
    image: Image,
    mask: npt.NDArray[np.bool_],
    flat: npt.NDArray[np.bool_],
    gx: Float,
    gy: Float,
    columns: Float,
    rows: Float,
    weight: float,
    gain: float,
    total: FloatImage,
    weights: FloatImage,
    largest: FloatImage,
    its_frame: CountImage,
    number: int,
    seen: CountImage,
    saturated: CountImage,
) -> tuple[Float, Float]:
    """Add the nearest pixel of a frame to every pixel of the stack.

    Returns what the rounding moved at places spread over the frame, (k,) each [pixel].
    """
    ny, nx = image.shape
    height, width = total.shape
    dx, dy = np.zeros(PHASES * PHASES), np.zeros(PHASES * PHASES)
    step_j, step_i = max(height // PHASES, 1), max(width // PHASES, 1)
    count = 0
    for j in range(height):
        gj = min(int(j / GRID), rows.size - 2)
        v = (j - rows[gj]) / GRID
        for i in range(width):
            gi = min(int(i / GRID), columns.size - 2)
            u = (i - columns[gi]) / GRID
            x = (1 - v) * ((1 - u) * gx[gj, gi] + u * gx[gj, gi + 1])
            x += v * ((1 - u) * gx[gj + 1, gi] + u * gx[gj + 1, gi + 1])
            y = (1 - v) * ((1 - u) * gy[gj, gi] + u * gy[gj, gi + 1])
            y += v * ((1 - u) * gy[gj + 1, gi] + u * gy[gj + 1, gi + 1])
            if not (x > -0.5 and y > -0.5 and x < nx - 0.5 and y < ny - 0.5):
                continue
            fi, fj = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
            inner = j % step_j == step_j // 2 and i % step_i == step_i // 2
            if inner and count < dx.size:
                dx[count], dy[count] = fi - x, fj - y
                count += 1
            if flat[fj, fi]:
                saturated[j, i] += 1
            elif not mask[fj, fi]:
                value = np.float32(gain * image[fj, fi])
                if value > largest[j, i]:
                    largest[j, i], its_frame[j, i] = value, number
                total[j, i] += weight * value
                weights[j, i] += weight
                seen[j, i] += 1
    return dx[: max(count, 1)], dy[: max(count, 1)]
