"""The domain's records: what a message means, before it is bytes and after.

Wire schemas live in ``csstream.schemas``; :mod:`csstream.contracts.mapping` maps between the two.
All arrays are one-dimensional unless a shape is given. Times are mid-exposure MJD (TAI) in days;
positions ICRS in degrees; x and y are 0-based pixels with centres at integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ClaimCheck:
    """Where a file lies and how to know that it is the right one."""

    uri: str  # file:///absolute/path or a plain absolute path
    size_bytes: int
    sha256: str  # lower-case hex
    content_type: str  # image/fits, application/vnd.apache.parquet …


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One detector of one visit is ready to be measured, or a sequence has ended."""

    kind: Literal["exposure", "sequence_end"]
    exposure_id: str  # "<sequence>.<detector>.<visit>", never a path
    sequence: str  # name of the run of exposures that belong together
    visit: int  # from 1, without gaps, in order of announcement
    detector: int
    detectors_in_visit: int
    instrument: str
    band: str
    mjd_mid_tai: float  # [day]; nan for sequence_end
    exposure_time: float  # [s]
    image: ClaimCheck | None  # None for sequence_end
    reference_frame: ClaimCheck | None = None  # first good frame of the sequence and detector
    reference_catalogue: ClaimCheck | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """All sources of one exposure in one sky cell, and those within the margin of it."""

    exposure_id: str
    visit: int
    detector: int
    detectors_in_visit: int
    cell: int  # HEALPix nested, order 12
    instrument: str
    band: str
    mjd_mid_tai: float  # [day]
    exposure_time: float  # [s]
    zero_point: float  # [mag] AB of one electron per second in this frame
    zero_point_err: float  # [mag]
    fwhm: float  # [pixel] of the PSF
    background: float  # [electron/s/pixel], median
    match_radius_arcsec: float  # [arcsec] two sources closer than this are one object
    margin_arcsec: float  # [arcsec] how far beyond the cell the batch reaches
    model: str  # name and hash of the network, or the classical strategy
    reference_version: str  # of the reference catalogue; empty: none
    object_id: Array  # int64, 0: not in the reference
    ra: Array  # float64 [deg]
    dec: Array  # float64 [deg]
    x: Array  # float64 [pixel]
    y: Array  # float64 [pixel]
    x_err: Array  # float32 [pixel]
    y_err: Array  # float32 [pixel]
    flux: Array  # float32 [electron/s]
    flux_err: Array  # float32 [electron/s]
    probability: Array  # float32
    flags: Array  # int32, see csstream.imaging.frames.flags
    reference_family: str = ""  # of catalogues whose ids mean the same stars; empty: none


@dataclass(frozen=True, kw_only=True)
class ClosedMarker:
    """Everything of one exposure that belongs to one partition has been sent."""

    exposure_id: str
    visit: int
    detector: int
    detectors_in_visit: int
    partition: int
    batches: int  # Measurements records sent to this partition
    sources: int  # rows in them, margin rows counted
    reason: str = ""  # why the exposure was given up; empty: it was measured
    sequence_end: bool = False


@dataclass(frozen=True, kw_only=True)
class ExposureReport:
    """One exposure is done or given up: what the operator watches."""

    exposure_id: str
    visit: int
    detector: int
    instrument: str
    band: str
    status: Literal["measured", "given_up", "sequence_end"]
    reason: str
    mjd_mid_tai: float  # [day]
    sources: int  # distinct stars measured in the frame
    batches: int  # Measurements records sent, all partitions
    rows: int  # rows in them, margin rows counted
    saturated: int
    depth: float  # [mag] five-sigma, median of the faint stars; nan if unknown
    fwhm: float  # [pixel]
    background: float  # [electron/s/pixel]
    zero_point: float  # [mag]
    method: str  # pnet, classical or reference
    model: str
    provider: str  # onnxruntime's provider; empty for classical
    announced_ms: int  # [ms] broker time stamp of the announcement
    timings: dict[str, float] = field(default_factory=dict)  # [s] by step
    reference_version: str = ""  # of the reference catalogue that was measured; empty: none
    listed: int = 0  # of the sources, those of the reference's list


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """A fixed group of objects of one cell with all their epochs, due for examination."""

    cell: int
    panel: int  # objects 128 p + 1 … 128 p + 128 of the cell
    examination: int  # of this panel, from 1
    visit: int  # frontier at which it fell due: no later visit is in it
    closing: bool  # the sequence has closed
    part: int  # from 0; parts split the epochs
    parts: int
    instrument: str
    band: str
    object_id: Array  # int64 (n,)
    ra: Array  # float64 (n,) [deg]
    dec: Array  # float64 (n,) [deg]
    ra_err: Array  # float32 (n,) [deg]
    dec_err: Array  # float32 (n,) [deg]
    mjd_mid_tai: Array  # float64 (m,) [day], increasing
    epoch_visit: Array  # int64 (m,)
    epoch_detector: Array  # int32 (m,)
    flux: Array  # float32 (n, m) [nJy]; nan: not measured
    flux_err: Array  # float32 (n, m) [nJy]
    flags: Array  # int32 (n, m)
    reference_version: str = ""
    model: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Examination:
    """What one look at a panel said about each of its objects."""

    examination: int
    visit: int
    object_id: Array  # int64 (n,)
    crossed: Array  # uint8 (n,): 1 where every threshold was crossed
    kind: Array  # uint8 (n,): code of the class, see csstream.timeseries.kinds
    period: Array  # float64 (n,) [day]; nan: none
    period_err: Array  # float64 (n,) [day]
    significance: Array  # float32 (n,)
    alert_id: tuple[str, ...]  # (n,) last alert sent of each object; empty: none
    alert_kind: Array  # uint8 (n,) class in that alert
    alert_period: Array  # float64 (n,) period in that alert
    alert_significance: Array  # float32 (n,)
    # what neighbours in other panels of the cell must know: k stars that crossed by themselves
    source_row: Array = field(default_factory=lambda: np.empty(0, np.int32))  # (k,) of the above
    source_ra: Array = field(default_factory=lambda: np.empty(0))  # float64 (k,) [deg]
    source_dec: Array = field(default_factory=lambda: np.empty(0))  # float64 (k,) [deg]
    source_t0: Array = field(default_factory=lambda: np.empty(0))  # float64 (k,) [day] BJD TDB
    source_width: Array = field(default_factory=lambda: np.empty(0))  # float64 (k,) [day]
    source_swing: Array = field(default_factory=lambda: np.empty(0))  # float64 (k,) [nJy]
    # l pairs of which at least one star is of this panel
    mirror_id: Array = field(default_factory=lambda: np.empty(0, np.int64))  # int64 (l,)
    mirror_source: Array = field(default_factory=lambda: np.empty(0, np.int64))  # int64 (l,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """The last two examinations of one panel: the classifier's memory."""

    cell: int
    panel: int
    previous: Examination | None
    latest: Examination


@dataclass(frozen=True, kw_only=True, eq=False)
class Alert:
    """One variable star, with all that a subscriber needs to judge it."""

    alert_id: str
    reason: Literal[
        "first_crossing",
        "single_event",
        "changed_class",
        "improved_period",
        "significance_doubled",
        "withdrawn",
    ]
    replaces: str | None  # id of the alert that this one replaces
    object_id: int
    cell: int
    panel: int
    examination: int
    visit: int
    instrument: str
    band: str
    ra: float  # [deg]
    dec: float  # [deg]
    ra_err: float  # [deg]
    dec_err: float  # [deg]
    mean_flux: float  # [nJy]
    mag: float  # [mag] AB
    kind: str  # transit, eclipsing, pulsating or none
    probabilities: dict[str, float]  # by kind
    period: float  # [day]; nan for a single event
    period_err: float  # [day]
    period_convention: str  # what one period means, and which multiples were considered
    t0: float  # [day] in time_scale: mid-event, or maximum light of a pulsator
    t0_err: float  # [day]
    duration: float  # [day]; nan where it has no meaning
    duration_err: float  # [day]
    depth: float  # relative flux
    depth_err: float
    significances: dict[str, float]  # snr_bls, snr_pink, sde, power_ls, snr_amplitude
    fap: float  # false-alarm probability
    fap_extrapolated: bool = False  # it lies below the range that was checked by counting
    epochs: int
    events: int  # distinct events with data in them
    phase_coverage: float  # fraction of phase bins with data
    mjd_mid_tai: Array  # float64 (m,) [day]
    flux: Array  # float32 (m,) [nJy]
    flux_err: Array  # float32 (m,) [nJy]
    epoch_visit: Array  # int64 (m,)
    epoch_detector: Array  # int32 (m,)
    global_view: Array  # float32 (201,)
    local_view: Array  # float32 (61,)
    detection_model: str
    classifier_model: str
    reference_version: str
    code_version: str
    time_scale: Literal["bjd_tdb", "mjd_tai"] = "mjd_tai"  # of t0 and of the period
    bjd_tdb: Array = field(default_factory=lambda: np.empty(0))  # float64 (m,) [day], or empty
    mirrors: Array = field(default_factory=lambda: np.empty(0, np.int64))  # ids that mirror this
    mirror_of: int = 0  # object that this one only mirrors; 0: none


@dataclass(frozen=True, kw_only=True)
class ThinAlert:
    """The newest alert of an object, without curves (topic ``alerts-latest``)."""

    alert_id: str
    reason: str
    replaces: str | None
    object_id: int
    visit: int
    band: str
    ra: float  # [deg]
    dec: float  # [deg]
    mag: float  # [mag]
    kind: str
    period: float  # [day]
    fap: float
    significance: float


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message that could not be used, whole, with why, where and when."""

    stage: str
    reason: str  # machine-readable, one word
    error: str  # for people
    topic: str
    partition: int
    offset: int
    timestamp_ms: int  # [ms] of the original message
    failed_ms: int  # [ms] first failure
    attempt: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


Record = (
    Exposure
    | Measurements
    | ClosedMarker
    | ExposureReport
    | Panel
    | Verdicts
    | Alert
    | ThinAlert
    | DeadLetter
)
