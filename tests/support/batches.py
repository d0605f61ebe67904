"""A batch of `measurements`, with sensible values for what does not matter."""

import numpy as np

from csstream.contracts.records import Measurements

PIXEL = 0.075  # [arcsec]
MARGIN = 1.0  # [arcsec]


def make_batch(cell, visit, ra, dec, flux, **changes) -> Measurements:
    """Return the batch of a cell and a visit; ``changes`` replace fields."""
    n = len(ra)
    detector = changes.get("detector", 0)
    fields = {
        "exposure_id": f"run.{detector}.{visit}", "visit": visit, "detector": detector,
        "detectors_in_visit": 1, "cell": cell, "instrument": "test", "band": "i",
        "mjd_mid_tai": 61000.0 + visit / 288.0 + detector * 1e-6, "exposure_time": 150.0,
        "zero_point": 25.0, "zero_point_err": 0.01, "fwhm": 2.0, "background": 0.1,
        "match_radius_arcsec": 0.5 * PIXEL * 2, "margin_arcsec": MARGIN, "model": "none",
        "reference_version": "", "object_id": np.zeros(n, np.int64),
        "ra": np.asarray(ra, float), "dec": np.asarray(dec, float),
        "x": np.zeros(n), "y": np.zeros(n),
        "x_err": np.full(n, 0.08, np.float32), "y_err": np.full(n, 0.08, np.float32),
        "flux": np.asarray(flux, np.float32), "flux_err": np.full(n, 1.0, np.float32),
        "probability": np.ones(n, np.float32), "flags": np.zeros(n, np.int32),
    }  # fmt: skip
    return Measurements(**(fields | changes))
