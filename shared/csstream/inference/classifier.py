"""The light-curve classifier behind a plain call: views and scalars in, probabilities out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.inference.session import Session

Array = npt.NDArray[Any]

CHANNELS = 3  # of a view: medians, mask, scatter
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
        global_view : ndarray, (k, 2, 201); local_view : ndarray, (k, 2, 61)
            Medians and scatter from ``csstream.timeseries.views``; NaN in empty bins.
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
    """Views (k, 2, b) with NaN as three channels (k, 3, b), float32.

    The medians, 1 where they are known, and their scatter; 0 where a bin is empty.
    """
    known = np.isfinite(view[:, 0])
    filled = np.clip(np.where(known[:, None], view, 0.0), -VIEW_LIMIT, VIEW_LIMIT)
    return np.stack([filled[:, 0], known, filled[:, 1]], axis=1).astype(np.float32)
