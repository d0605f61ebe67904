"""Light curves of constant stars against the photon bound, and what a frame costs.

A field of the pinned scene (CSST i band, the paper's density to i = 26) is exposed again and
again, dithered, under a PSF whose width and shape jitter; every frame is measured by a reference
list. The scatter of each star over the frames is compared with its Cramér–Rao bound: that of the
isolated star for the uncrowded half, and the joint one of the listed stars' fluxes for all.

    python benchmarks/light_curve_scatter.py [--frames 40] [--side 360] [--jitter 0.01]
    python benchmarks/light_curve_scatter.py --list built     # from twenty other exposures

The joint bound is that of the list's own fluxes, its positions known.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from csstream.imaging import preparation
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.fit.bound import Bound, cramer_rao_bound
from csstream.imaging.frames.frame import Frame, blank_header, frame_from_array
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.measured import Measured
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.imaging.reference.build import build_reference
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.measure import measure_listed
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import StarCatalogue, draw_catalogue
from csstream.simulation.frame_files import field_wcs
from csstream.simulation.frames import background_level, render_frame
from csstream.simulation.known_list import known_catalogue

CSST = load_instrument("csst-i")
EDGES = (18.5, 19.5, 20.5, 21.5, 22.25, 23.0, 24.0, 25.0)
DITHER = 3.0  # [pixel]
STACKED = 20  # exposures that a list is built from, or whose errors a known one has
OTHERS = 100_000  # number of the first exposure that a list is built from
FAINTEST = 0.1  # [electron/s]
INNER = 8.0  # [pixel] from the edge of every frame, for a star to be judged


class Jitter(NamedTuple):
    """What changes from frame to frame; RMS."""

    width: float
    shape: float
    zero_point: float  # [mag]
    shift: float  # [pixel] of the WCS
    turn: float  # [deg]


def main() -> None:
    """Print the scatter over the bounds, and the seconds of each step."""
    options = _arguments()
    rng = np.random.default_rng(options.seed)
    shape = (options.side, options.side)
    stars = draw_catalogue(rng, shape, margin=90.0)
    jitter = Jitter(options.jitter, options.shape_jitter, 0.005, options.shift, options.turn)
    field = _Field(stars, shape, jitter, options.seed)
    built = options.list == "built"
    catalogue = field.built_list(STACKED) if built else field.known_list(options.limit)
    print(f"{options.list} list: {len(catalogue.stars)} stars")
    series, seconds, cost = _measured(field, catalogue, options)
    _print_scatter(field, catalogue, series)
    _print_cost(seconds, cost, options.side**2 / 1e6)


class _Field:
    """A sky, and a telescope that exposes it."""

    def __init__(
        self, stars: StarCatalogue, shape: tuple[int, int], jitter: Jitter, seed: int
    ) -> None:
        self.stars, self.shape, self.jitter, self.seed = stars, shape, jitter, seed
        self.psf = psf_from_instrument(CSST)
        self.wcs = field_wcs(CSST, shape, 1)

    def exposure(self, number: int) -> Frame:
        """Return frame ``number``: its WCS lacks the jitter of the pointing."""
        rng, j = np.random.default_rng([self.seed, number]), self.jitter
        dx, dy = rng.uniform(-DITHER, DITHER, 2)
        width, e1, e2, change, sx, sy, turn = rng.standard_normal(7)
        psf = psf_from_instrument(
            CSST,
            r80_arcsec=CSST.psf.r80_arcsec * (1.0 + j.width * width),
            ellipticity=(j.shape * e1, j.shape * e2),
        )
        seen = _turned(self.stars, np.deg2rad(j.turn * turn), self.shape)
        seen = seen.shifted(dx + j.shift * sx, dy + j.shift * sy)
        image = render_frame(
            rng, seen, CSST, psf, self.shape, relative_flux=10.0 ** (-0.4 * j.zero_point * change)
        )
        wcs = self.wcs.deepcopy()
        wcs.wcs.crpix += [dx, dy]
        wcs.wcs.set()
        return frame_from_array(image, _header(self.shape), wcs=wcs, psf=self.psf)

    def bound(self, catalogue: ReferenceCatalogue) -> Bound:
        """Return the bound of a list's fluxes, at the middle of the dither."""
        stars = catalogue.stars
        x, y = self.wcs.world_to_pixel_values(stars.ra, stars.dec)
        return cramer_rao_bound(
            self.psf, x, y, CSST.cadence.exposure_time * np.maximum(stars.flux, FAINTEST),
            shape=self.shape, background=background_level(CSST),
            read_noise=CSST.detector.read_noise, free_positions=False,
        )  # fmt: skip

    def known_list(self, limit: float) -> ReferenceCatalogue:
        """Return the true stars with the errors that averaging some exposures leaves."""
        listed = self.stars.select(self.stars.mag < limit)
        exact = known_catalogue(listed, CSST, self.wcs, limit=limit, fwhm=self.psf.fwhm)
        bound, number = self.bound(exact), exact.stars.object_id - 1
        relative = np.full(len(listed), 0.1)
        relative[number] = np.minimum(bound.flux_err / bound.flux, 0.5) / np.sqrt(STACKED)
        place = np.minimum(self.psf.fwhm / 2.3548 * relative * 1.4, 0.1)
        return known_catalogue(
            listed, CSST, self.wcs, limit=limit, fwhm=self.psf.fwhm, errors=(relative, place),
            rng=np.random.default_rng([self.seed, 1 << 20]),
        )  # fmt: skip

    def built_list(self, frames: int) -> ReferenceCatalogue:
        """Return the list that is built from exposures of its own."""
        exposures = [self.exposure(OTHERS + k) for k in range(frames)]
        return build_reference(exposures, choose_strategy(CSST)[0], nominal_psf=self.psf)


def _header(shape: tuple[int, int]) -> Any:
    header = blank_header(
        instrument="csst-i", exposure_time=CSST.cadence.exposure_time, shape=shape,
        read_noise=CSST.detector.read_noise, saturation=CSST.detector.saturation,
        zero_point=CSST.photometry.zero_point,
        pixel_scale_arcsec=CSST.detector.pixel_scale_arcsec,
    )  # fmt: skip
    return replace(header, pointing=(CSST.pointing.ra, CSST.pointing.dec))


def _turned(stars: StarCatalogue, angle: float, shape: tuple[int, int]) -> StarCatalogue:
    ny, nx = shape
    u, v = stars.x - nx / 2, stars.y - ny / 2
    x = u * np.cos(angle) - v * np.sin(angle) + nx / 2
    y = u * np.sin(angle) + v * np.cos(angle) + ny / 2
    return StarCatalogue(x, y, stars.mag, stars.types)


def _measured(
    field: _Field, catalogue: ReferenceCatalogue, options: argparse.Namespace
) -> tuple[np.ndarray, dict[str, float], float]:
    """Magnitudes (frames, stars), seconds by step and in all, per frame."""
    row = {number: k for k, number in enumerate(catalogue.stars.object_id.tolist())}
    series = np.full((options.frames, len(catalogue.stars)), np.nan)
    seconds: dict[str, float] = defaultdict(float)
    settings, cost = MeasureSettings(), 0.0
    preparation.CLOCK = process_time
    measure_listed(field.exposure(0), catalogue, settings=settings)  # compile
    for number in range(options.frames):
        frame = field.exposure(number)
        start = process_time()
        found: Measured = measure_listed(frame, catalogue, settings=settings)
        cost += process_time() - start
        for name, value in found.timings.items():
            seconds[name] += value
        sources = found.sources
        known = (sources.object_id > 0) & (sources.flags & 0b1111 == 0)
        rows = [row[k] for k in sources.object_id[known].tolist()]
        series[number, rows] = sources.flux[known] * 10.0 ** (-0.4 * (found.zero_point - 25.0))
    total = {name: value / options.frames for name, value in seconds.items()}
    return series, total, cost / options.frames


def _print_scatter(field: _Field, catalogue: ReferenceCatalogue, series: np.ndarray) -> None:
    """Scatter over the bounds: isolated for the uncrowded half, joint for all."""
    stars, bound = catalogue.stars, field.bound(catalogue)
    mag = CSST.photometry.zero_point - 2.5 * np.log10(np.maximum(stars.flux, FAINTEST))
    rate = 10.0 ** (-0.4 * (CSST.photometry.zero_point - 25.0)) / CSST.cadence.exposure_time
    joint, alone = bound.flux_err * rate, bound.isolated_flux_err * rate
    with np.errstate(invalid="ignore"):
        crowding = joint / alone
    ny, nx = field.shape
    x, y = field.wcs.world_to_pixel_values(stars.ra, stars.dec)
    inner = (x > INNER) & (y > INNER) & (x < nx - INNER) & (y < ny - INNER)
    frames = np.isfinite(series).sum(axis=0)
    inner &= frames > 0.8 * len(series)
    few = frames / (frames - 0.8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of stars that no frame holds
        middle = np.nanmedian(series, axis=0)
        robust = few * 1.4826 * np.nanmedian(np.abs(series - middle), axis=0)
        plain = np.nanstd(series, axis=0, ddof=1)
    print("mag           n   uncrowded/isolated      all/joint bound       [median, rms]")
    for low, high in [*pairwise(EDGES), (18.5, 23.0), (18.5, 25.0)]:
        inside = inner & (mag >= low) & (mag < high)
        half = inside & (crowding <= np.median(crowding[inside]))
        print(f"{low:5.2f}-{high:5.2f} {inside.sum():5d}", end="")
        for chosen, limit in ((half, alone), (inside, joint)):
            ratio = robust[chosen] / limit[chosen]
            square = (plain[chosen] / limit[chosen]) ** 2
            print(f"   {np.median(ratio):6.3f} {np.sqrt(np.mean(square)):6.3f}", end="     ")
        print()


def _print_cost(seconds: dict[str, float], cost: float, megapixels: float) -> None:
    print(f"one frame: {cost:.3f} core-s, {cost / megapixels:.3f} core-s/Mpx")
    for name, value in seconds.items():
        print(f"  {name:14s} {value:6.3f} s  {value / megapixels:6.3f} s/Mpx")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--side", type=int, default=360, help="pixels")
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument("--limit", type=float, default=25.7, help="the list's faintest magnitude")
    parser.add_argument("--list", choices=("known", "built"), default="known")
    parser.add_argument("--jitter", type=float, default=0.01, help="RMS of the PSF's width")
    parser.add_argument("--shape-jitter", type=float, default=0.0, help="RMS of its ellipticity")
    parser.add_argument("--shift", type=float, default=0.02, help="[pixel] errors of the WCS")
    parser.add_argument("--turn", type=float, default=0.0, help="[deg] the same, of its rotation")
    return parser.parse_args()


if __name__ == "__main__":
    main()
