"""Score PNet alone, PNet with the joint fit, and the classical strategy on one simulated frame.

The scene is the pinned one (CSST i band, the paper's density) with a seed that no training uses.
A find is right when it is any simulated star; stars of i < 25 are scored.

    python benchmarks/pinned_scene.py [--shape 1000] [--seed 4242]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from time import perf_counter

import numpy as np

from csstream.imaging.background import estimate_background
from csstream.imaging.classical import ClassicalStrategy
from csstream.imaging.frame import Frame, blank_header, frame_from_array
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf import PixelPsf, psf_from_instrument
from csstream.imaging.strategies import choose_strategy
from csstream.instruments.instrument import Instrument, load_instrument
from csstream.simulation.catalogue import StarCatalogue, draw_catalogue
from csstream.simulation.frames import render_frame

LIMIT = 25.0  # [mag]
RADII = (0.1, 0.25, 0.5)  # [pixel]
BINS = ((18.5, 20.0), (20.0, 22.0), (22.0, 23.0), (23.0, 24.0), (24.0, 24.5))  # [mag]
MAD_TO_SIGMA = 1.4826


def main() -> None:
    arguments = _arguments()
    instrument = load_instrument("csst-i")
    psf = psf_from_instrument(instrument)
    shape = (arguments.shape, arguments.shape)
    rng = np.random.default_rng(arguments.seed)
    truth = draw_catalogue(rng, shape)
    frame = _frame(render_frame(rng, truth, instrument, psf, shape), instrument, psf)
    print(
        "finder          finds   s   recall / F1 at 0.1, 0.25, 0.5 px     mean, median |dm|  ",
        end="",
    )
    print("scatter [mmag] in " + ", ".join(f"{a:g}-{b:g}" for a, b in BINS))
    for name, x, y, mag, seconds in _finders(frame, instrument, psf):
        print(_row(name, x, y, mag, seconds, truth, shape))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, default=1000, help="pixels a side")
    parser.add_argument("--seed", type=int, default=4242)
    return parser.parse_args()


def _frame(image: np.ndarray, instrument: Instrument, psf: PixelPsf) -> Frame:
    header = blank_header(
        instrument=instrument.name,
        read_noise=instrument.detector.read_noise,
        saturation=instrument.detector.saturation,
        exposure_time=instrument.cadence.exposure_time,
        zero_point=instrument.photometry.zero_point,
        shape=image.shape,
        pixel_scale_arcsec=instrument.detector.pixel_scale_arcsec,
    )
    pointing = (instrument.pointing.ra, instrument.pointing.dec)
    return frame_from_array(image, replace(header, pointing=pointing), psf=psf)


def _finders(
    frame: Frame, instrument: Instrument, psf: PixelPsf
) -> Iterable[tuple[str, np.ndarray, np.ndarray, np.ndarray, float]]:
    """Name, positions [pixel], magnitudes and seconds of each way to measure the frame."""
    pnet, _ = choose_strategy(instrument, method="pnet", provider="cpu", threads=1)
    pnet.detect(frame, estimate_background(frame.image, frame.mask), psf)  # compile first
    started = perf_counter()
    found = pnet.detect(frame, estimate_background(frame.image, frame.mask), psf)
    seconds = perf_counter() - started
    rate = found.flux / frame.exposure_time
    yield "PNet alone", found.x, found.y, frame.zero_point - 2.5 * np.log10(rate), seconds
    for name, strategy in (("PNet and fit", pnet), ("classical", ClassicalStrategy())):
        measure_frame(frame, strategy, nominal_psf=psf)
        started = perf_counter()
        sources = measure_frame(frame, strategy, nominal_psf=psf).sources
        seconds = perf_counter() - started
        yield name, sources.x, sources.y, np.asarray(sources.mag), seconds


def _row(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    mag: np.ndarray,
    seconds: float,
    truth: StarCatalogue,
    shape: tuple[int, int],
) -> str:
    scored = truth.inside(shape) & (truth.mag < LIMIT)
    recalls, f1s = [], []
    for radius in RADII:
        found, true, _ = match_pixels(x, y, truth.x, truth.y, radius)
        recall = np.isin(np.flatnonzero(scored), true).mean()
        precision = np.isin(np.flatnonzero(mag < LIMIT), found).mean()
        recalls.append(recall)
        f1s.append(2 * recall * precision / (recall + precision))
    difference = (mag[found] - truth.mag[true])[scored[true]]
    bright = truth.mag[true][scored[true]]
    known = np.isfinite(difference)
    widths = [_width(difference[known & (bright >= a) & (bright < b)]) for a, b in BINS]
    size = np.abs(difference[known])
    return (
        f"{name:14s} {len(x):6d} {seconds:4.1f}   "
        + " ".join(f"{value:.3f}" for value in recalls)
        + " / "
        + " ".join(f"{value:.3f}" for value in f1s)
        + f"   {size.mean():.3f}, {np.median(size):.3f}    "
        + " ".join(f"{1000 * width:.1f}" for width in widths)
    )


def _width(values: np.ndarray) -> float:
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


if __name__ == "__main__":
    main()
