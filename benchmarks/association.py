"""How many source-epochs a second the light-curve service associates, and what they cost to hold.

Run: python benchmarks/association.py [--stars 12000] [--epochs 60]
One cell as dense as the paper's field (12,000 stars), 95 % of the stars and 3 % one-frame
detections in each frame, positions good to 0.08 pixel. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from csstream.association.geometry import cell_centre
from csstream.contracts.codec import decode, encode
from csstream.contracts.records import Measurements
from csstream.lightcurves.cell import Cell
from csstream.lightcurves.panels import cut_panel
from csstream.lightcurves.series import Due, Rules
from csstream.lightcurves.warm import compile_kernels

CELL = 1234567
PIXEL_ARCSEC = 0.075
SIDE_ARCSEC = 51.0


def frames(stars: int, epochs: int) -> list[bytes]:
    """Encoded batches of one cell."""
    rng = np.random.default_rng(1)
    ra0, dec0 = np.degrees(cell_centre(CELL))
    x, y = rng.uniform(-SIDE_ARCSEC / 2, SIDE_ARCSEC / 2, (2, stars))
    made = []
    for visit in range(1, epochs + 1):
        seen = rng.random(stars) < 0.95
        spurious = rng.uniform(-SIDE_ARCSEC / 2, SIDE_ARCSEC / 2, (2, int(0.03 * stars)))
        noise = rng.normal(0, 0.08 * PIXEL_ARCSEC, (2, int(seen.sum())))
        xy = np.concatenate([np.stack([x[seen], y[seen]]) + noise, spurious], axis=1) / 3600
        made.append(encode(frame(visit, ra0 + xy[0] / np.cos(np.radians(dec0)), dec0 + xy[1])))
    return made


def frame(visit: int, ra: np.ndarray, dec: np.ndarray) -> Measurements:
    n = len(ra)
    ones = np.ones(n, np.float32)
    return Measurements(
        exposure_id=f"benchmark.0.{visit}", visit=visit, detector=0, detectors_in_visit=1,
        cell=CELL, instrument="csst-i", band="i", mjd_mid_tai=61000.0 + visit / 288,
        exposure_time=150.0, zero_point=25.0, zero_point_err=0.0, fwhm=2.0, background=0.1,
        match_radius_arcsec=0.5 * PIXEL_ARCSEC, margin_arcsec=1.0, model="", reference_version="",
        object_id=np.zeros(n, np.int64), ra=ra, dec=dec, x=np.zeros(n), y=np.zeros(n),
        x_err=0.08 * ones, y_err=0.08 * ones, flux=ones, flux_err=ones, probability=ones,
        flags=np.zeros(n, np.int32),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=12000)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    compile_kernels()
    payloads = frames(options.stars, options.epochs)
    started = time.process_time()
    batches = [decode(payload, Measurements) for payload in payloads]
    decoded = time.process_time()
    cell = Cell(CELL, Rules())
    for batch in batches:
        cell.advance(batch.visit, [batch], closing=False)
    associated = time.process_time()
    panels = [
        next(cut_panel(series, Due(panel, 1, True), options.epochs, 1 << 26))
        for series in cell.in_order_of_code()
        for panel in series.panels()
    ]
    cut = time.process_time()
    sources = sum(len(batch.ra) for batch in batches)
    print(
        json.dumps(
            {
                "source_epochs": sources,
                "associated_per_s": round(sources / (associated - decoded)),
                "decoded_per_s": round(sources / (decoded - started)),
                "ms_per_frame": round(1e3 * (associated - decoded) / len(batches), 2),
                "objects": cell.objects,
                "stars": options.stars,
                "bytes_per_source_epoch": round(cell.nbytes / sources, 1),
                "panels": len(panels),
                "ms_per_panel_cut": round(1e3 * (cut - associated) / max(len(panels), 1), 2),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
