"""The network that names the class of a folded curve, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy.typing as npt

from csstream.contracts.errors import FatalError

Array = npt.NDArray[Any]
Predict = Callable[[Array, Array, Array], Array]
NO_NETWORK = "none"


class Network(NamedTuple):
    """How to get class probabilities, and who gives them."""

    predict: Predict | None  # None: by the rules of the science
    model: str  # name and hash
    provider: str


def open_network(weights: str, provider: Literal["cpu", "cuda"]) -> Network:
    """Open the network called ``weights``; the name ``none`` stands for the rules without one.

    Raises
    ------
    FatalError
        The weights are not there, or the provider asked for is not.
    """
    if weights == NO_NETWORK:
        return Network(None, "rules", "none")
    from csstream.inference.classifier import CurveClassifier
    from csstream.inference.session import InferenceError, open_session

    try:
        session = open_session(weights, provider=provider, threads=1)
    except InferenceError as error:
        raise FatalError(f"the classifier's network cannot be used: {error}") from error
    return Network(CurveClassifier(session).predict, session.card.version, session.provider)
