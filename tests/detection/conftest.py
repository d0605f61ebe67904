"""Announcements, source tables and frame results without a frame."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    # kafka-python 3.0.12 reads its schemas with importlib.resources.read_text, once, on import
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka  # noqa: F401


from csstream.contracts.records import ClaimCheck, Exposure
from csstream.detection.result import FrameResult
from csstream.imaging.source_table import SourceTable


@pytest.fixture
def exposure() -> Exposure:
    claim = ClaimCheck(uri="/data/a.fits", size_bytes=1, sha256="0" * 64, content_type="image/fits")
    return Exposure(
        kind="exposure",
        exposure_id="night.1.7",
        sequence="night",
        visit=7,
        detector=1,
        detectors_in_visit=2,
        instrument="csst-i",
        band="i",
        mjd_mid_tai=61000.5,
        exposure_time=300.0,
        image=claim,
        reference_frame=claim,
    )


@pytest.fixture
def make_table():
    def make(ra, dec, flux=None, flux_err=None) -> SourceTable:
        n = len(ra)
        order = np.arange(n, dtype=float)
        flux = 100.0 + order if flux is None else np.asarray(flux, float)
        flux_err = np.ones(n) if flux_err is None else np.asarray(flux_err, float)
        return SourceTable(
            ra=np.asarray(ra, float),
            dec=np.asarray(dec, float),
            x=order,
            y=2 * order,
            x_err=np.full(n, 0.01),
            y_err=np.full(n, 0.02),
            flux=flux,
            flux_err=flux_err,
            mag=25.0 - 2.5 * np.log10(flux),
            mag_err=flux_err / flux,
            probability=np.ones(n),
            flags=np.zeros(n, np.int32),
        )

    return make


@pytest.fixture
def make_result():
    def make(sources: SourceTable, footprint=()) -> FrameResult:
        return FrameResult(
            sources=sources,
            footprint=np.asarray(footprint, np.int64),
            zero_point=25.9,
            zero_point_err=0.001,
            fwhm=2.0,
            background=0.8,
            match_radius_arcsec=0.08,
            method="classical",
            model="sep",
            provider="",
            timings={"fit": 0.1},
        )

    return make
