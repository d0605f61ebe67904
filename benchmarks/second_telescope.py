"""Compare a network with the classical strategy under PSFs of a shape it was not trained on.

For an instrument file whose ``weights`` name a network (see docs/another-telescope.md):

    python benchmarks/second_telescope.py my-camera.toml [--psf given] [--size 600] [--seed 5100]

Every row is a simulated frame with seeds that no training uses. The PSF is estimated from the
frame, or given, and all strategies go through the same joint fit. A find is right when it is any
simulated star; scored are stars whose S/N exceeds 12 when isolated. Radii are in pixels.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.fft

from csstream.evaluation.scores import Score, partners, score
from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.frames.frame import Frame, blank_header, frame_from_array
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import moffat_psf, psf_from_instrument
from csstream.imaging.source_table import SourceTable
from csstream.instruments.instrument import Instrument, load_instrument
from csstream.simulation.catalogue import StarCatalogue, draw_catalogue
from csstream.simulation.frames import background_level, render_frame

SCORED_SNR, FAINTEST_SNR = 12.0, 4.77
RADII = (0.25, 0.5, 1.0)  # [pixel]
OVERSAMPLING, HALF_WIDTH = 4, 80
Float = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A PSF that a night may bring; factors of the instrument's nominal one."""

    name: str
    width: float = 1.0
    beta: float | None = None  # None: Kolmogorov turbulence, no Moffat profile at all
    ellipticity: tuple[float, float] = (0.0, 0.0)


SHAPES = (
    Shape(name="Moffat beta 2.2", beta=2.2),
    Shape(name="Moffat beta 4.8, sharp", beta=4.8, width=0.85),
    Shape(name="Moffat beta 3, long", beta=3.0, width=1.15, ellipticity=(0.1, 0.05)),
    Shape(name="Kolmogorov"),
    Shape(name="Kolmogorov, wide", width=1.15),
)


def main() -> None:
    """Print one row per frame and strategy."""
    arguments = _arguments()
    instrument = load_instrument(arguments.instrument)
    pnet, _ = choose_strategy(instrument, method="pnet")
    strategies = {"PNet": pnet, "classical": ClassicalStrategy()}
    print(
        f"{'PSF':24s} {'strategy':10s} stars finds   recall at {RADII} px   F1 at them"
        f"        |dm| mean, median   of stars that both find"
    )
    for number, shape in enumerate(SHAPES):
        rng = np.random.default_rng([arguments.seed, number])
        truth, frame, limit = _scene(instrument, shape, arguments.size, rng)
        if arguments.psf == "given":
            frame = replace(frame, psf=FieldPsf.constant(make_psf(instrument, shape)))
        lists = {
            name: measure_frame(frame, one, nominal_psf=psf_from_instrument(instrument)).sources
            for name, one in strategies.items()
        }
        rows = [_score(sources, truth, frame.shape, limit) for sources in lists.values()]
        both = np.all([np.isfinite(row.miss) for row in rows], axis=0)
        for name, row in zip(lists, rows, strict=True):
            print(f"{shape.name:24s} {name:10s} {_text(row, both)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("instrument", help="TOML file whose weights name a network")
    parser.add_argument("--psf", choices=("estimated", "given"), default="estimated")
    parser.add_argument("--size", type=int, default=600, help="pixels a side")
    parser.add_argument("--seed", type=int, default=5100)
    return parser.parse_args()


def _scene(
    instrument: Instrument, shape: Shape, size: int, rng: np.random.Generator
) -> tuple[StarCatalogue, Frame, float]:
    """Return the stars, the frame, and the magnitude down to which stars are scored."""
    limit = _magnitude(instrument, FAINTEST_SNR)
    truth = draw_catalogue(
        rng,
        (size, size),
        density=instrument.field.density,
        mag_bright=limit - 10.0,
        mag_faint=limit,
        log_slope=instrument.field.log_slope,
    )
    image = render_frame(rng, truth, instrument, make_psf(instrument, shape), (size, size))
    detector = instrument.detector
    header = blank_header(
        instrument=instrument.name,
        read_noise=detector.read_noise,
        saturation=detector.saturation * detector.gain,
        exposure_time=instrument.cadence.exposure_time,
        zero_point=instrument.photometry.zero_point,
        shape=image.shape,
        pixel_scale_arcsec=detector.pixel_scale_arcsec,
    )
    pointing = (instrument.pointing.ra, instrument.pointing.dec)
    frame = frame_from_array(image, replace(header, pointing=pointing))
    return truth, frame, _magnitude(instrument, SCORED_SNR)


def _magnitude(instrument: Instrument, snr: float) -> float:
    """Return the magnitude of an isolated star of this S/N under a matched filter."""
    psf = psf_from_instrument(instrument)
    pixels = psf.samples[:: psf.oversampling, :: psf.oversampling]
    variance = background_level(instrument) + instrument.detector.read_noise**2
    flux = snr * np.sqrt(variance / (pixels**2).sum())
    rate = flux / instrument.cadence.exposure_time
    return float(instrument.photometry.zero_point - 2.5 * np.log10(rate))


def make_psf(instrument: Instrument, shape: Shape) -> PixelPsf:
    """Return the PSF of a shape for an instrument with a Moffat profile."""
    fwhm = instrument.psf.fwhm_arcsec * shape.width / instrument.detector.pixel_scale_arcsec
    if shape.beta is None:
        return kolmogorov_psf(fwhm)
    return moffat_psf(fwhm, shape.beta, OVERSAMPLING, HALF_WIDTH, shape.ellipticity)


def kolmogorov_psf(fwhm: float) -> PixelPsf:
    """Return long-exposure seeing of ``fwhm`` [pixel] (Fried 1966): exp(−3.44 (f/f₀)^(5/3))."""
    size = scipy.fft.next_fast_len(4 * (HALF_WIDTH + 1) * OVERSAMPLING, real=True)
    fx = scipy.fft.rfftfreq(size, d=1.0 / OVERSAMPLING)[None, :]
    fy = scipy.fft.fftfreq(size, d=1.0 / OVERSAMPLING)[:, None]
    frequency = np.hypot(fx, fy) * fwhm / 0.976
    transfer = np.exp(-3.44 * frequency ** (5.0 / 3.0)) * np.sinc(fx) * np.sinc(fy)
    index = np.arange(-HALF_WIDTH * OVERSAMPLING, HALF_WIDTH * OVERSAMPLING + 1)
    samples = scipy.fft.irfft2(transfer, s=(size, size))[np.ix_(index, index)]
    return PixelPsf(samples * (OVERSAMPLING**2 / samples.sum()), OVERSAMPLING)


@dataclass(frozen=True, eq=False)
class Row:
    """How good one list of stars is; ``miss`` [mag] of every scored star, nan where not found."""

    finds: int
    scores: list[Score]
    miss: Float


def _score(sources: SourceTable, truth: StarCatalogue, shape: tuple[int, int], limit: float) -> Row:
    scored = truth.inside(shape) & (truth.mag < limit)
    mag = np.asarray(sources.mag)
    matches = [partners(sources.x, sources.y, truth.x, truth.y, radius) for radius in RADII]
    miss = np.full(len(truth), np.nan)
    other = matches[-1]
    miss[other[other >= 0]] = mag[other >= 0] - truth.mag[other[other >= 0]]
    scores = [score(match, mag < limit, scored) for match in matches]
    return Row(len(sources), scores, np.abs(miss[scored]))


def _text(row: Row, both: npt.NDArray[np.bool_]) -> str:
    recall, f1 = ([f"{getattr(s, name):.3f}" for s in row.scores] for name in ("recall", "f1"))
    found = row.miss[np.isfinite(row.miss)]
    return (
        f"{row.miss.size:5d} {row.finds:5d}   {' '.join(recall)}         {' '.join(f1)}"
        f"   {found.mean():.3f} {np.median(found):.3f}"
        f"         {row.miss[both].mean():.3f} {np.median(row.miss[both]):.3f}"
    )


if __name__ == "__main__":
    main()
