"""What is true of a scene, and what was found in it, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MAG_PER_RELATIVE_FLUX = 2.5 / float(np.log(10.0))


class _Columns:
    """Columns of one length, which can be cut and put behind each other."""

    def __post_init__(self) -> None:
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of {type(self).__name__} differ in length: {lengths}")

    def select(self, rows: Mask | npt.NDArray[np.int64]) -> Self:
        """Return the rows chosen by a mask or by indices."""
        return type(self)(**{name: column[rows] for name, column in self.columns().items()})

    def columns(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the columns by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return several tables as one, in order."""
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


@dataclass(frozen=True, kw_only=True, eq=False)
class Finds(_Columns):
    """Measured stars. All arrays (n,), float64; nan where a value is not known."""

    x: Float  # [pixel] 0-based
    y: Float  # [pixel]
    mag: Float  # [mag]
    mag_err: Float  # [mag] as quoted
    x_err: Float  # [pixel]
    y_err: Float  # [pixel]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth(_Columns):
    """The stars of a scene. All arrays (m,).

    The errors are the Cramér–Rao bound of this very scene: no unbiased measurement that has to
    find positions too can do better. nan where it is not known.
    """

    x: Float  # [pixel] 0-based
    y: Float  # [pixel]
    mag: Float  # [mag]
    inside: Mask  # lies on a pixel of the frame
    neighbour: Float  # [pixel] to the nearest comparable star; inf where none is near
    sigma_mag: Float  # [mag]
    sigma_x: Float  # [pixel]
    sigma_y: Float  # [pixel]
    deblending_snr: Float  # flux over its error with its own place known, all other stars free

    def __len__(self) -> int:
        return len(self.x)
