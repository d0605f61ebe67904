"""One look at one panel: the science between two records. Pure but for the network's session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.alerting.decisions import Rules, decide
from csstream.alerting.single_events import SingleEventRules, single_events
from csstream.alerting.thresholds import findings
from csstream.classifier.alerts import Examined, Versions, build_alert
from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Alert, Examination, Panel, Verdicts
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]
Search = Callable[[Array, Array, Array], ExaminationResult]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What comes of a look."""

    alerts: tuple[Alert, ...]
    verdicts: Verdicts


@dataclass(frozen=True, kw_only=True)
class Examiner:
    """Examines panels.

    ``search`` takes times (m,) [day], fluxes and errors (n, m) [nJy] with nan where there is none,
    and returns the columnar result; nothing else in here depends on the data's values.
    """

    search: Search
    rules: Rules
    single_event_rules: SingleEventRules
    versions: Versions
    bad_flags: int = int(UNRELIABLE)  # epochs with any of these flag bits are not searched

    def look(self, panel: Panel, predecessor: Examination | None) -> Outcome:
        """Examine a whole panel and compare it with the examination before.

        Raises
        ------
        InvalidMessageError
            The panel cannot be examined: its columns are no light curves.
        """
        flux = self._usable(panel)
        try:
            result = self.search(panel.mjd_mid_tai, flux, panel.flux_err)
        except TimeseriesError as error:
            raise InvalidMessageError(error.reason, f"{_name(panel)}: {error}") from error
        single = single_events(panel.mjd_mid_tai, flux, result, self.single_event_rules)
        decision = decide(findings(panel, result, single), predecessor, self.rules)
        examined = Examined(panel, result, single, decision)
        return Outcome(
            alerts=tuple(build_alert(examined, row, self.versions) for row in decision.rows()),
            verdicts=Verdicts(
                cell=panel.cell,
                panel=panel.panel,
                previous=predecessor,
                latest=decision.examination,
            ),
        )

    def _usable(self, panel: Panel) -> Array:
        if not self.bad_flags:
            return panel.flux
        bad = (panel.flags & self.bad_flags) != 0
        return np.where(bad, np.float32(np.nan), panel.flux)


def _name(panel: Panel) -> str:
    return f"examination {panel.examination} of cell {panel.cell}, panel {panel.panel}"
