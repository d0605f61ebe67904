"""The light-curve classifier behind a plain call: views and scalars in, probabilities out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.inference.session import Session

Array = npt.NDArray[Any]

VIEW_LIMIT = 3.0  # views are clipped to ± this; the dip itself is -1


class CurveClassifier:
    """Probabilities of none, transit, eclipsing and pulsating for folded curves."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def version(self) -> str:
        """Name and short hash of the network."""
        return self._session.card.version

    def predict(self, global_view: Array, local_view: Array, scalars: Array) -> Array:
        """Classify folded curves.

        Parameters
        ----------
        global_view : ndarray, (k, 201); local_view : ndarray, (k, 61)
            From ``csstream.timeseries.views``; NaN in empty bins.
        scalars : ndarray, (k, s), in the order of ``csstream.timeseries.features.SCALARS``.

        Returns
        -------
        ndarray, (k, 4), float64; rows add up to 1.

        Raises
        ------
        InferenceError
            When the shapes are not those of the network.
        """
        inputs = {
            "global": with_mask(global_view),
            "local": with_mask(local_view),
            "scalars": np.asarray(scalars, np.float32),
        }
        return np.asarray(self._session.run(inputs)[0], np.float64)

    __call__ = predict


def with_mask(view: Array) -> Array:
    """Views (k, b) with NaN as two channels (k, 2, b), float32: values, and 1 where known."""
    known = np.isfinite(view)
    values = np.clip(np.where(known, view, 0.0), -VIEW_LIMIT, VIEW_LIMIT)
    return np.stack([values, known], axis=1).astype(np.float32)
