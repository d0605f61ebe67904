"""The measured stars of one frame, as columns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

UNITS = {
    "ra": "deg",
    "dec": "deg",
    "x": "pix",
    "y": "pix",
    "x_err": "pix",
    "y_err": "pix",
    "flux": "electron / s",
    "flux_err": "electron / s",
    "mag": "mag",
    "mag_err": "mag",
    "probability": "",
    "flags": "",
    "object_id": "",
}
MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceTable:
    """All arrays (n,); nan where a value is not known."""

    ra: Float  # [deg] ICRS
    dec: Float  # [deg] ICRS
    x: Float  # [pixel] 0-based, centres at integers
    y: Float  # [pixel]
    x_err: Float  # [pixel]
    y_err: Float  # [pixel]
    flux: Float  # [electron/s]
    flux_err: Float  # [electron/s]
    mag: Float  # [mag]; nan for flux ≤ 0
    mag_err: Float  # [mag]
    probability: Float
    flags: npt.NDArray[np.int32]
    object_id: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Of the reference catalogue; 0: not in it. Left out: all 0."""

    def __post_init__(self) -> None:
        if not len(self.object_id):
            object.__setattr__(self, "object_id", np.zeros(len(self.x), np.int64))
        lengths = {entry.name: len(getattr(self, entry.name)) for entry in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of SourceTable differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.x)

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> SourceTable:
        """Return the rows chosen by a mask or by indices."""
        return SourceTable(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def with_zero_point(self, zero_point: float) -> SourceTable:
        """Return the table with magnitudes for another zero point."""
        mag, mag_err = magnitudes(self.flux, self.flux_err, zero_point)
        return replace(self, mag=mag, mag_err=mag_err)

    def with_positions(self, ra: Float, dec: Float) -> SourceTable:
        """Return the table with other sky positions."""
        return replace(self, ra=ra, dec=dec)


def magnitudes(flux: Float, flux_err: Float, zero_point: float) -> tuple[Float, Float]:
    """Return magnitudes and their errors; nan where the flux is not positive."""
    good = np.isfinite(flux) & (flux > 0.0)
    safe = np.where(good, flux, 1.0)
    mag = np.where(good, zero_point - 2.5 * np.log10(safe), np.nan)
    return mag, np.where(good, MAG_PER_RELATIVE_FLUX * flux_err / safe, np.nan)
