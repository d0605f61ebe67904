"""Which alerts a subscriber wants to see. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, get_args, get_type_hints

from csstream.contracts.records import Alert
from csstream.timeseries.kinds import KINDS

REASONS: Final[tuple[str, ...]] = get_args(get_type_hints(Alert)["reason"])


@dataclass(frozen=True, kw_only=True)
class AlertFilter:
    """Conditions that all must hold; a field left at its default lets everything through.

    Withdrawals pass the conditions on the class and the false-alarm probability, since they tell
    that an earlier alert no longer holds; leave them out by naming ``reasons``.
    """

    kinds: frozenset[str] = frozenset()  # classes; empty: all
    reasons: frozenset[str] = frozenset()  # reasons for sending; empty: all
    max_fap: float = math.inf  # largest false-alarm probability
    objects: frozenset[int] = frozenset()  # object ids; empty: all

    def __post_init__(self) -> None:
        _check("class", self.kinds, KINDS)
        _check("reason", self.reasons, REASONS)

    def matches(self, alert: Alert) -> bool:
        """Return whether the alert is wanted."""
        if self.objects and alert.object_id not in self.objects:
            return False
        if self.reasons and alert.reason not in self.reasons:
            return False
        if alert.reason == "withdrawn":
            return True
        return (not self.kinds or alert.kind in self.kinds) and not alert.fap > self.max_fap


def _check(what: str, names: frozenset[str], known: tuple[str, ...]) -> None:
    unknown = ", ".join(sorted(names - set(known)))
    if unknown:
        raise ValueError(f"no {what} is called {unknown}; there are {', '.join(known)}")
