"""How many variables a survey would find: the paper's § 5 with the completeness that was measured.

The paper multiplies a number of stars by occurrence rates and, for planets, by its accuracy. Here
each kind is drawn star by star: a place and a magnitude of the crowded field, with the error that
its photons allow; a planet, a binary or a pulsating star with its period; whether the time span
holds two whole events; and the recall measured at its A over σ₁. The same stars with the paper's
completeness, a step, tell how much of the difference is the method and how much the stars.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import draw_catalogue
from csstream.simulation.depth import typical_density
from csstream.simulation.flat_field import list_sigma
from csstream.simulation.spectral import SPECTRAL_TYPES
from csstream.simulation.variables.flat import amplitude
from csstream.simulation.variables.paper import UNIFORM_PERIOD, binary, binary_periods, planet
from csstream.simulation.variables.pulsators import pulsator_of_period
from csstream.simulation.variables.shapes import Shape

Float = npt.NDArray[np.float64]
FIELD: Final = (512, 512)  # [pixel] of the field whose stars stand for all
BRIGHTEST, FAINTEST = 18.0, 26.0
RR_LYRAE: Final = (0.3, 0.85)  # [day], even
CEPHEIDS: Final = (1.0, 10.0)  # [day], even in the logarithm
EVENTS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """The paper's numbers (its § 5), each of which may be changed."""

    stars: int = 300_000  # i < ``limit``
    limit: float = 25.0  # [mag]
    span: float = 20.0  # [day] that the survey lasts
    main_sequence: float = 0.87  # share of the stars that may have a hot Jupiter found
    hot_jupiters: float = 0.01  # of these (Beleznay & Kunimoto 2022)
    transiting: float = 0.03  # of the hot Jupiters, by geometry (Zhu et al. 2018)
    binaries: float = 2098 / 200_000  # eclipsing, below 10 d (Kirk et al. 2016)
    longest_binary: float = 10.0  # [day]
    rr_lyrae: float = 0.0039  # (Molnár et al. 2022)
    cepheids: float = 0.00033  # (Plachy et al. 2021)
    measured_span: float = 3.5  # [day] of the series that the recall was measured on
    paper_snr: float = 1.7  # A/σ₁ below which the paper finds nothing (its § 5) …
    paper_accuracy: float = 0.855  # … and the share that it classifies rightly above
    draws: int = 4000  # of each kind


@dataclass(frozen=True, eq=False)
class Completeness:
    """Measured recall over A/σ₁, of one kind of variable: bins (b,) and limits."""

    snr: Float  # middles of the bins, rising
    value: Float
    low: Float
    high: Float

    def at(self, snr: Float, which: str = "value") -> Float:
        """Return the recall at each A/σ₁: 0 below the first bin, the last one's beyond."""
        column = getattr(self, which)
        return np.asarray(np.interp(snr, self.snr, column, left=0.0, right=column[-1]))


def completeness_of(rows: Sequence[dict[str, Any]], kind: str) -> Completeness:
    """Return the completeness of a kind from a report's ``recall_over_snr``.

    Raises
    ------
    ValueError
        No bin holds a star of the kind.
    """
    seen = [row for row in rows if row[kind]["n"]]
    if not seen:
        raise ValueError(f"the report has no scorable {kind} variables")
    columns = ([row[kind][key] for row in seen] for key in ("value", "low", "high"))
    middle = np.array([0.5 * (row["low"] + row["high"]) for row in seen])
    return Completeness(middle, *(np.array(column, np.float64) for column in columns))


def estimate(
    report: dict[str, Any],
    instrument: Instrument,
    assumptions: Assumptions,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the numbers of variables in the sample, observable and found.

    ``report`` is one part of ``survey-report.json``, a flat one. ``found_long`` takes the recall at
    A/σ₁ times the root of the span over the measured one: so much does the significance of a
    periodic signal grow with the number of exposures. ``found_paper`` takes the paper's
    completeness for the very same stars, ``paper`` what the paper's own way of counting gives.

    Raises
    ------
    ValueError
        The report lacks a kind.
    """
    rows = report["injected"]["recall_over_snr"]
    mag, sigma = field_errors(instrument, assumptions.limit, rng)
    made = []
    for name, kind, number in _populations(assumptions):
        drawn = [_draw(rng, name, assumptions) for _ in range(assumptions.draws)]
        star = rng.integers(mag.size, size=assumptions.draws)
        snr = np.array([amplitude(shape) for shape in drawn]) / sigma[star]
        twice = np.array([whole_events(shape, assumptions.span) for shape in drawn]) >= EVENTS
        curve = completeness_of(rows, kind)
        found = {w: float(np.mean(twice * curve.at(snr, w))) for w in ("value", "low", "high")}
        longer = snr * np.sqrt(max(assumptions.span / assumptions.measured_span, 1.0))
        step = assumptions.paper_accuracy * (snr >= assumptions.paper_snr)
        made.append(
            {
                "name": name,
                "in_sample": number,
                "two_events": number * float(twice.mean()),
                "snr_above_2": number * float(np.mean(twice & (snr >= 2.0))),
                "found": number * found["value"],
                "found_low": number * found["low"],
                "found_high": number * found["high"],
                "found_long": number * float(np.mean(twice * curve.at(longer))),
                "found_paper": number * float(np.mean(twice * step)),
                "paper": number * (assumptions.paper_accuracy if kind == "transit" else 1.0),
            }
        )
    return {"assumptions": asdict(assumptions), "kinds": made}


def field_errors(
    instrument: Instrument, limit: float, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Return magnitudes and σ₁ over the own flux of a crowded field's stars brighter than a limit.

    Stars that share a list entry with a brighter one have the errors of that entry.
    """
    stars = draw_catalogue(
        rng,
        FIELD,
        density=typical_density(instrument),
        mag_bright=BRIGHTEST,
        mag_faint=FAINTEST,
        log_slope=instrument.field.log_slope,
    )
    sigma = list_sigma(stars, psf_from_instrument(instrument), FIELD, instrument)
    used = stars.inside(FIELD) & (stars.mag < limit) & np.isfinite(sigma)
    return stars.mag[used], sigma[used]


def whole_events(shape: Shape, span: float) -> int:
    """Return how many events, or cycles, an unbroken series of ``span`` days from 0 shows whole."""
    if not np.isfinite(shape.duration):
        return int(span / shape.period)
    half = 0.5 * shape.duration
    first = np.ceil((half - shape.t0) / shape.period)
    last = np.floor((span - half - shape.t0) / shape.period)
    return max(int(last - first) + 1, 0)


def _populations(a: Assumptions) -> Iterator[tuple[str, str, float]]:
    """Yield the kinds: name, whose completeness, and their number among the stars."""
    planets = a.main_sequence * a.hot_jupiters * a.transiting
    yield "hot Jupiters", "transit", a.stars * planets
    yield "eclipsing binaries", "eclipsing", a.stars * a.binaries
    yield "RR Lyrae stars", "pulsating", a.stars * a.rr_lyrae
    yield "Cepheids", "pulsating", a.stars * a.cepheids


def _draw(rng: np.random.Generator, name: str, a: Assumptions) -> Shape:
    share = np.array([each.share for each in SPECTRAL_TYPES])
    star = SPECTRAL_TYPES[int(rng.choice(share.size, p=share / share.sum()))]
    if name == "hot Jupiters":
        return planet(rng, float(rng.uniform(*UNIFORM_PERIOD)), star, 0.0)
    if name == "eclipsing binaries":
        period = float(binary_periods(rng, 1, a.longest_binary)[0])
        return binary(rng, period, star, 0.0)
    if name == "RR Lyrae stars":
        return pulsator_of_period(rng, float(rng.uniform(*RR_LYRAE)), 0.0)
    low, high = np.log(CEPHEIDS)
    return pulsator_of_period(rng, float(np.exp(rng.uniform(low, high))), 0.0)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the assumptions, each explained, and the estimate as a table, for a terminal."""
    a = result["assumptions"]
    yield from (f"  {text}" for text in _explained(a))
    yield (
        f"{'':20s} {'in the':>8s} {'two':>8s} {'A/σ₁ ≥ 2':>9s} {'found':>7s} {'95 % of':>12s} "
        f"{'all of':>8s} {'paper’s':>8s} {'the paper':>10s}"
    )
    yield (
        f"{'':20s} {'sample':>8s} {'events':>8s} {'too':>9s} {'':>7s} {'recall':>12s} "
        f"{a['span']:6g} d {'recall':>8s} {'itself':>10s}"
    )
    for row in result["kinds"]:
        limits = f"{row['found_low']:.0f}–{row['found_high']:.0f}"
        yield (
            f"{row['name']:20s} {row['in_sample']:8.0f} {row['two_events']:8.0f} "
            f"{row['snr_above_2']:9.0f} {row['found']:7.0f} {limits:>12s} "
            f"{row['found_long']:8.0f} {row['found_paper']:8.0f} {row['paper']:10.0f}"
        )
    yield from _notes(a)


def _explained(a: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{a['stars']} stars brighter than {a['limit']:g}, magnitudes and blends as in the "
        f"instrument's crowded field; {a['span']:g} days without a gap"
    )
    yield (
        f"hot Jupiters: {a['main_sequence']:.0%} of the stars are on the main sequence, "
        f"{a['hot_jupiters']:.1%} of these have one (Beleznay & Kunimoto 2022), "
        f"{a['transiting']:.1%} of them transit (Zhu et al. 2018); periods 1.45 to 2.95 days"
    )
    yield (
        f"eclipsing binaries: {a['binaries']:.2%} of the stars, below {a['longest_binary']:g} days "
        "(Kepler: 2098 of 200,000; Kirk et al. 2016)"
    )
    yield (
        f"RR Lyrae stars {a['rr_lyrae']:.2%} (TESS: Molnár et al. 2022), Cepheids "
        f"{a['cepheids']:.3%} (Plachy et al. 2021): shares of all TESS targets, as the paper has it"
    )
    yield (
        f"found: two whole events, and the recall measured at the star's A/σ₁ on series of "
        f"{a['measured_span']:g} days"
    )


def _notes(a: dict[str, Any]) -> Iterator[str]:
    yield (
        f"all of {a['span']:g} d: the recall at A/σ₁ √({a['span']:g} / {a['measured_span']:g}), "
        "for a longer series has more exposures; not measured."
    )
    yield (
        f"paper’s recall: the same stars, nothing below A/σ₁ = {a['paper_snr']:g} and "
        f"{a['paper_accuracy']:.1%} above. The paper itself: the sample, for planets times "
        f"{a['paper_accuracy']:.1%}; it asks neither for the light of a star nor for its amplitude."
    )
