"""Every threshold of an examination, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExamineSettings:
    """How stars are searched, and what a star must pass to be alerted.

    The defaults are conservative: a survey of a thousand constant stars looked at eight times
    should give at most one false alert.
    """

    # search
    shortest_period: float | None = None  # [day]; None: from the sampling, see grids
    longest_period: float | None = None  # [day]; None: span / 1.5 of sinusoids, / 1.05 of events
    shortest_fraction: float = 3.0 / 128.0  # duration over period that the box grid resolves
    box_oversampling: float = 2.0
    sinusoid_oversampling: float = 5.0
    search_harmonics: int = 3  # of the batched analysis of variance
    most_box_periods: int = 20_000
    most_sinusoids: int = 200_000
    ensemble: bool = True  # subtract what all stars of a panel share
    # shortlist
    minimal_epochs: int = 30
    shortlist_fap: float = 1e-3
    look_at_all: bool = False  # describe every star, also those without a signal
    # alert
    fap: float = 1e-4  # of one look; the second look and the network come on top
    fap_counts: float = 1e-2  # of a dip of four errors of one epoch; ten times per error
    fap_counts_range: tuple[float, float] = (1e-5, 0.5)
    snr: float = 6.0  # snr_pink of a dip
    rest_snr: float = 4.0  # snr of a dip without its strongest event
    middle_depth: float = 0.4  # median over mean depth inside a dip
    minimal_events: int = 2
    minimal_points: int = 5  # inside a dip
    minimal_depth: float = 0.003  # relative flux: below are systematics
    minimal_swing: float = 0.01  # peak to peak of a smooth variable, relative flux
    minimal_cycles: float = 2.0  # of a smooth variable
    minimal_halves: float = 0.15  # share of a smooth signal that the two halves must confirm
    minimal_share: float = 0.05  # of the chi² that a smooth signal must take away
    minimal_share_few: float = 0.2  # the same when fewer than `few_cycles` were seen
    few_cycles: float = 4.0
    minimal_coverage: float = 0.5  # of the phases of a smooth variable
    snr_amplitude: float = 0.5
    probability: float = 0.9  # that the star is variable, by the network
    day_window: float = 0.3  # spectral window at 1/day above which daily periods are refused
