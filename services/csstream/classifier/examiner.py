"""One look at one panel: the science between two records. Pure but for the network's session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.alerting.judging import AlertRules, Look, judge
from csstream.alerting.mirrors import Neighbourhood
from csstream.classifier.alerts import Examined, Versions, build_alert
from csstream.contracts.cells import centre_of
from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Alert, Examination, Panel, Verdicts
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.timeseries.barycentre import bjd_tdb
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

    ``search`` takes times (m,) [day] BJD TDB, fluxes and errors (n, m) [nJy] with nan where there
    is none, and returns the columnar result; nothing else in here depends on the data's values.
    """

    search: Search
    rules: AlertRules
    versions: Versions
    bad_flags: int = int(UNRELIABLE)  # epochs with any of these flag bits are not searched

    def look(
        self,
        panel: Panel,
        previous: Examination | None,
        around: Sequence[Neighbourhood] = (),
        repeated: Examination | None = None,
    ) -> Outcome:
        """Examine a whole panel and compare it with the examination before.

        ``around`` is what the cell's other panels say of neighbours, ``repeated`` what this very
        look was remembered as when it was taken before (see :func:`judge`).

        Raises
        ------
        InvalidMessageError
            The panel cannot be examined: its columns are no light curves.
        """
        flux, time = self._usable(panel), bjd_tdb(panel.mjd_mid_tai, *centre_of(panel.cell))
        try:
            result = self.search(time, flux, panel.flux_err)
        except TimeseriesError as error:
            raise InvalidMessageError(error.reason, f"{_name(panel)}: {error}") from error
        judgement = judge(
            _look(panel, time, flux),
            result,
            previous=previous,
            around=around,
            rules=self.rules,
            repeated=repeated,
        )
        return self._outcome(Examined(panel, time, judgement), previous)

    def _outcome(self, examined: Examined, previous: Examination | None) -> Outcome:
        decision, panel = examined.judgement.decision, examined.panel
        return Outcome(
            alerts=tuple(build_alert(examined, row, self.versions) for row in decision.rows()),
            verdicts=Verdicts(
                cell=panel.cell,
                panel=panel.panel,
                previous=previous,
                latest=decision.examination,
            ),
        )

    def _usable(self, panel: Panel) -> Array:
        if not self.bad_flags:
            return panel.flux
        bad = (panel.flags & self.bad_flags) != 0
        return np.where(bad, np.float32(np.nan), panel.flux)


def _look(panel: Panel, time: Array, flux: Array) -> Look:
    same = ("examination", "visit", "closing", "object_id", "ra", "dec")
    return Look(time=time, flux=flux, **{name: getattr(panel, name) for name in same})


def _name(panel: Panel) -> str:
    return f"examination {panel.examination} of cell {panel.cell}, panel {panel.panel}"
