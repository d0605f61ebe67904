"""How many variables a survey would find: the paper's § 5 with the completeness that was measured.

The paper multiplies a number of stars by occurrence rates. Here each kind is drawn star by star:
a place and a magnitude of the crowded field, with the error that its photons allow; a planet, a
binary or a pulsating star with its period; whether the time span holds two whole events; and the
recall measured at its A over σ₁.
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

    ``report`` is one part of ``survey-report.json``, a flat one.

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
        made.append(
            {
                "name": name,
                "in_sample": number,
                "two_events": number * float(twice.mean()),
                "snr_above_2": number * float(np.mean(twice & (snr >= 2.0))),
                "found": number * found["value"],
                "found_low": number * found["low"],
                "found_high": number * found["high"],
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
    """Yield the estimate as a table for a terminal."""
    a = result["assumptions"]
    yield f"{a['stars']} stars brighter than {a['limit']:g}, {a['span']:g} days"
    yield (
        f"{'':20s} {'in the sample':>13s} {'two events':>11s} {'S/N ≥ 2 too':>12s} {'found':>8s}"
        "  95 % of the recall"
    )
    for row in result["kinds"]:
        yield (
            f"{row['name']:20s} {row['in_sample']:13.0f} {row['two_events']:11.0f} "
            f"{row['snr_above_2']:12.0f} {row['found']:8.0f}  "
            f"{row['found_low']:.0f}–{row['found_high']:.0f}"
        )
