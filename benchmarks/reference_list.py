"""How complete, pure and right a reference catalogue is, beside the list of a single frame.

A field of the pinned scene (CSST i band, the paper's density to i = 26) is exposed a few times,
dithered, under a PSF and a zero point that jitter. Both lists are compared with the truth: the
stars of the first frame's detection, and those of the reference catalogue built from all frames.

    python benchmarks/reference_list.py [--frames 20] [--side 400] [--seed 910] [--fields 2]
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from astropy.table import Table

from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.imaging.reference.build import build_reference
from csstream.imaging.reference.frame_files import FrameFiles
from csstream.imaging.sky import pixel_positions
from csstream.instruments.instrument import load_instrument
from csstream.simulation.field import FieldSettings
from csstream.simulation.survey import SurveySettings, simulate_survey

CSST = load_instrument("csst-i")
EDGES = (18.0, 20.0, 22.0, 23.0, 24.0, 25.0, 25.5, 26.0)
INNER = 4.0  # [pixel] from the edge of the plane's frame, for a star to be judged
RADII = (0.25, 0.5)  # [pixel]


class Counted(NamedTuple):
    """One field's stars, judged; arrays over true (t) and over listed stars (n)."""

    true_mag: Any  # (t,)
    found: Any  # (t, radii)
    mag: Any  # (n,)
    right: Any  # (n, radii)
    blend: Any  # (n,) within a pixel of a true star
    pair_mag: Any  # (k,) true magnitude of each pair within the largest radius
    miss: Any  # (k,) [pixel] along one axis
    change: Any  # (k,) [mag]


def main() -> None:
    """Print both lists' figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--side", type=int, default=400)
    parser.add_argument("--seed", type=int, default=910)
    parser.add_argument("--fields", type=int, default=1)
    options = parser.parse_args()
    both: dict[str, list[Counted]] = {"one frame": [], f"{options.frames} frames": []}
    for seed in range(options.seed, options.seed + options.fields):
        with tempfile.TemporaryDirectory() as folder:
            single, listed = _field(Path(folder), options.frames, options.side, seed)
        both["one frame"].append(single)
        both[f"{options.frames} frames"].append(listed)
    for name, fields in both.items():
        _print(name, fields)


def _field(folder: Path, frames: int, side: int, seed: int) -> tuple[Counted, Counted]:
    kind = FieldSettings(shape=(side, side), transits=2, eclipsing=2, pulsators=2)
    settings = SurveySettings(instrument=CSST, field=kind, frames=frames, seed=seed)
    made = simulate_survey(settings, folder)
    truth = Table.read(made.truth)
    files = FrameFiles(made.files, CSST)
    strategy, _ = choose_strategy(CSST)
    nominal = psf_from_instrument(CSST)
    measure_frame(files[0], strategy, nominal_psf=nominal)  # compiles and warms up
    start = process_time()
    single = measure_frame(files[0], strategy, nominal_psf=nominal)
    one = process_time() - start
    start = process_time()
    reference = build_reference(files, strategy, nominal_psf=nominal)
    whole = process_time() - start
    print(
        f"seed {seed}: one frame {one:.2f} s, the catalogue {whole:.2f} s = "
        f"{whole / one / frames:.2f} x {frames} frames; {len(reference.stars)} stars, "
        f"{int(reference.stars.calibrator.sum())} calibrators"
    )
    s, own = reference.stars, single.sources
    return (
        _judged(own.x, own.y, own.flux, single.zero_point, single.wcs, truth, side),
        _judged(s.x, s.y, s.flux, reference.zero_point, reference.wcs, truth, side),
    )


def _judged(
    x: Any, y: Any, flux: Any, zero_point: float, wcs: Any, truth: Table, side: int
) -> Counted:
    tx, ty = pixel_positions(wcs, truth["ra"], truth["dec"])
    true_mag = np.asarray(truth["mag"], float)
    mag = zero_point - 2.5 * np.log10(np.maximum(flux, 1e-9))
    found, right = np.zeros((tx.size, 2), bool), np.zeros((x.size, 2), bool)
    for k, radius in enumerate(RADII):
        i, j, _ = match_pixels(x, y, tx, ty, radius)
        found[j, k], right[i, k] = True, True
    near, _, _ = match_pixels(x, y, tx, ty, 1.0)
    blend = np.isin(np.arange(x.size), near)
    t, n = _inner(tx, ty, side), _inner(x, y, side)
    own = n[i]
    return Counted(
        true_mag[t], found[t], mag[n], right[n], blend[n], true_mag[j][own],
        (x[i] - tx[j])[own], (mag[i] - true_mag[j])[own],
    )  # fmt: skip


def _inner(x: Any, y: Any, side: int) -> Any:
    return (x > INNER) & (y > INNER) & (x < side - INNER) & (y < side - INNER)


def _print(name: str, fields: list[Counted]) -> None:
    columns = zip(*fields, strict=True)
    true_mag, found, mag, right, blend, pair, miss, change = map(np.concatenate, columns)
    print(f"\n{name}: {mag.size} listed, {true_mag.size} true")
    print("        i     true  complete .25 .5   listed    pure .25 .5   sigma x   sigma mag")
    for low, high in [*pairwise(EDGES), (EDGES[0], 25.0), (EDGES[0], EDGES[-1])]:
        t = (true_mag >= low) & (true_mag < high)
        m, k = (mag >= low) & (mag < high), (pair >= low) & (pair < high)
        shares = [*found[t].mean(axis=0), *right[m].mean(axis=0)]
        print(
            f"{low:5.1f}..{high:<5.1f} {t.sum():6d}   {shares[0]:.4f} {shares[1]:.4f} "
            f"{m.sum():8d}   {shares[2]:.4f} {shares[3]:.4f}   {_width(miss[k]):.4f}    "
            f"{_width(change[k]):.4f}"
        )
    false, empty = 1.0 - right[:, 1].mean(), 1.0 - blend.mean()
    print(
        f"without a true star within 0.5 pixel: {1000 * false:.1f} in 1000, 1: {1000 * empty:.1f}"
    )


def _width(values: Any) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if values.size else np.nan


if __name__ == "__main__":
    main()
