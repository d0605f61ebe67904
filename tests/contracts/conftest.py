"""One record of every kind: those beside the schemas (samples), and drawn ones."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.contracts.records import (
    Alert,
    ClaimCheck,
    ClosedMarker,
    DeadLetter,
    Examination,
    Exposure,
    ExposureReport,
    Measurements,
    Panel,
    ThinAlert,
    Verdicts,
)

NAN = float("nan")
FIELD = {"instrument": "csst-i", "band": "i"}


def claim(name: str) -> ClaimCheck:
    return ClaimCheck(
        uri=f"file:///data/{name}",
        size_bytes=4_152_960,
        sha256="ab" * 32,
        content_type="image/fits",
    )


def exposure() -> Exposure:
    return Exposure(
        kind="exposure",
        exposure_id="night1.0.17",
        sequence="night1",
        visit=17,
        detector=0,
        detectors_in_visit=1,
        mjd_mid_tai=60310.12345678,
        exposure_time=150.0,
        image=claim("f17.fits"),
        reference_frame=claim("f01.fits"),
        **FIELD,
    )


def measurements() -> Measurements:
    n = 3
    return Measurements(
        exposure_id="night1.0.17",
        visit=17,
        detector=0,
        detectors_in_visit=1,
        cell=100_000_000,
        mjd_mid_tai=60310.12345678,
        exposure_time=150.0,
        zero_point=25.5,
        zero_point_err=0.002,
        fwhm=2.3,
        background=0.4,
        match_radius_arcsec=0.1,
        margin_arcsec=2.0,
        model="pnet-csst-i 1234abcd",
        reference_version="0123456789abcdef",
        object_id=np.array([104857600000001, 104857600000002, 0]),
        ra=np.array([266.4, 266.41, 266.42]),
        dec=np.array([-29.0, -29.01, -29.02]),
        x=np.array([0.0, 511.25, 999.5]),
        y=np.array([10.0, 20.0, 30.0]),
        x_err=np.full(n, 0.01, np.float32),
        y_err=np.full(n, 0.02, np.float32),
        flux=np.array([1.5, -0.25, 1e6], np.float32),
        flux_err=np.array([0.1, 0.1, 900.0], np.float32),
        probability=np.array([0.9, 0.5, NAN], np.float32),
        flags=np.array([0, 1, 6], np.int32),
        reference_family="fedcba9876543210",
        **FIELD,
    )


def closed_marker() -> ClosedMarker:
    return ClosedMarker(
        exposure_id="night1.0.17",
        visit=17,
        detector=0,
        detectors_in_visit=1,
        partition=3,
        batches=2,
        sources=812,
    )


def exposure_report() -> ExposureReport:
    return ExposureReport(
        exposure_id="night1.0.17",
        visit=17,
        detector=0,
        status="measured",
        reason="",
        mjd_mid_tai=60310.12345678,
        sources=4000,
        batches=9,
        rows=4123,
        saturated=12,
        depth=25.1,
        fwhm=2.3,
        background=0.4,
        zero_point=25.5,
        method="pnet",
        model="pnet-csst-i 1234abcd",
        provider="CPUExecutionProvider",
        announced_ms=1_700_000_000_000,
        timings={"read": 0.1, "fit": 2.5, "detect": 1.0},
        reference_version="0123456789abcdef",
        listed=3987,
        **FIELD,
    )


def panel() -> Panel:
    n, m = 2, 3
    return Panel(
        cell=100_000_000,
        panel=0,
        examination=4,
        visit=17,
        closing=False,
        part=0,
        parts=1,
        object_id=np.array([104857600000001, 104857600000002]),
        ra=np.array([266.4, 266.41]),
        dec=np.array([-29.0, -29.01]),
        ra_err=np.full(n, 1e-6, np.float32),
        dec_err=np.full(n, 2e-6, np.float32),
        mjd_mid_tai=np.array([60310.1, 60310.2, 60310.3]),
        epoch_visit=np.array([15, 16, 17]),
        epoch_detector=np.zeros(m, np.int32),
        flux=np.array([[100.0, 101.0, NAN], [7.0, 8.0, 9.0]], np.float32),
        flux_err=np.array([[1.0, 1.0, NAN], [0.7, 0.8, 0.9]], np.float32),
        flags=np.array([[0, 0, 0], [1, 0, 2]], np.int32),
        model="pnet-csst-i 1234abcd",
        **FIELD,
    )


def examination(number: int) -> Examination:
    return Examination(
        examination=number,
        visit=10 + number,
        object_id=np.array([104857600000001, 104857600000002]),
        crossed=np.array([1, 0], np.uint8),
        kind=np.array([2, 0], np.uint8),
        period=np.array([1.25, NAN]),
        period_err=np.array([0.001, NAN]),
        significance=np.array([12.5, 0.3], np.float32),
        alert_id=("0123456789abcdef", ""),
        alert_kind=np.array([2, 0], np.uint8),
        alert_period=np.array([1.25, NAN]),
        alert_significance=np.array([11.0, NAN], np.float32),
        source_row=np.array([0], np.int32),
        source_ra=np.array([266.4]),
        source_dec=np.array([-29.0]),
        source_t0=np.array([2460310.611]),
        source_width=np.array([0.1]),
        source_swing=np.array([30.15]),
        mirror_id=np.array([104857600000002]),
        mirror_source=np.array([104857600000001]),
    )


def verdicts() -> Verdicts:
    return Verdicts(cell=100_000_000, panel=0, previous=examination(3), latest=examination(4))


def alert() -> Alert:
    m = 4
    return Alert(
        alert_id="0123456789abcdef0123456789abcdef",
        reason="first_crossing",
        replaces=None,
        object_id=104857600000001,
        cell=100_000_000,
        panel=0,
        examination=4,
        visit=17,
        ra=266.4,
        dec=-29.0,
        ra_err=1e-6,
        dec_err=2e-6,
        mean_flux=100.5,
        mag=26.4,
        kind="eclipsing",
        probabilities={"none": 0.01, "transit": 0.04, "eclipsing": 0.9, "pulsating": 0.05},
        period=1.25,
        period_err=0.001,
        period_convention="from one primary eclipse to the next; half and double were considered",
        t0=2460310.611,
        t0_err=0.001,
        duration=0.1,
        duration_err=0.004,
        depth=0.3,
        depth_err=0.01,
        significances={"snr_bls": 25.0, "sde": 9.0, "snr_pink": 12.5, "power_ls": 0.6},
        fap=1e-9,
        fap_extrapolated=True,
        epochs=m,
        events=2,
        phase_coverage=0.8,
        mjd_mid_tai=np.array([60310.1, 60310.2, 60310.3, 60310.4]),
        flux=np.array([100.0, 70.0, NAN, 101.0], np.float32),
        flux_err=np.array([1.0, 1.0, NAN, 1.0], np.float32),
        epoch_visit=np.arange(14, 18),
        epoch_detector=np.zeros(m, np.int32),
        global_view=np.linspace(-1, 0, 201, dtype=np.float32),
        local_view=np.linspace(-1, 0, 61, dtype=np.float32),
        detection_model="pnet-csst-i 1234abcd",
        classifier_model="classifier 5678ef01",
        reference_version="",
        code_version="0.1.0",
        time_scale="bjd_tdb",
        bjd_tdb=np.array([60310.1, 60310.2, 60310.3, 60310.4]) + 2400000.501,
        mirrors=np.array([104857600000002]),
        **FIELD,
    )


def thin_alert() -> ThinAlert:
    return ThinAlert(
        alert_id="0123456789abcdef0123456789abcdef",
        reason="changed_class",
        replaces="fedcba9876543210fedcba9876543210",
        object_id=104857600000001,
        visit=17,
        band="i",
        ra=266.4,
        dec=-29.0,
        mag=26.4,
        kind="eclipsing",
        period=1.25,
        fap=1e-9,
        significance=12.5,
    )


def dead_letter() -> DeadLetter:
    return DeadLetter(
        stage="detection",
        reason="not_avro",
        error="10 bytes that start with 68656c6c6f are no record",
        topic="exposures",
        partition=1,
        offset=42,
        timestamp_ms=1_700_000_000_000,
        failed_ms=1_700_000_000_100,
        attempt=1,
        key=b"0",
        value=b"hello\x00\xff",
        headers=(("csstream-stage", b"publisher"), ("csstream-stage", b"")),
    )


RECORDS = {
    "exposure": exposure,
    "measurements": measurements,
    "closed_marker": closed_marker,
    "exposure_report": exposure_report,
    "panel": panel,
    "verdicts": verdicts,
    "alert": alert,
    "thin_alert": thin_alert,
    "dead_letter": dead_letter,
}


@pytest.fixture(params=list(RECORDS))
def record_name(request) -> str:
    """Name of the schema's folder."""
    return request.param


@pytest.fixture
def record(record_name):
    """A record of each kind."""
    return RECORDS[record_name]()


@pytest.fixture
def make():
    """``make("exposure", visit=3)``: the record of that name with fields replaced."""
    import dataclasses

    return lambda name, **changes: dataclasses.replace(RECORDS[name](), **changes)
