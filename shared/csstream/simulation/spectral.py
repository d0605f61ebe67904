"""Spectral types of simulated stars, in the shares of the paper's bulge field.

Shares and temperatures: Table 1 of the paper (temperatures after Pecaut & Mamajek 2013, ApJS 208,
9). Its four types make up 98 %; the rest is hotter than 7320 K and called A here. Mass, radius
and limb darkening are typical of the main sequence (87 % of the paper's stars are on it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Types = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class SpectralType:
    """A class of stars."""

    letter: str
    share: float  # of all stars
    temperature: tuple[float, float]  # [K]
    mass: float  # [solar]
    radius: float  # [solar]
    limb: tuple[float, float]  # quadratic limb darkening u1, u2 in the i band


SPECTRAL_TYPES: tuple[SpectralType, ...] = (
    SpectralType(
        letter="M",
        share=0.05,
        temperature=(2400.0, 3865.0),
        mass=0.45,
        radius=0.43,
        limb=(0.30, 0.30),
    ),
    SpectralType(
        letter="K",
        share=0.73,
        temperature=(3865.0, 5310.0),
        mass=0.75,
        radius=0.72,
        limb=(0.42, 0.20),
    ),
    SpectralType(
        letter="G",
        share=0.16,
        temperature=(5310.0, 5980.0),
        mass=0.98,
        radius=1.0,
        limb=(0.32, 0.28),
    ),
    SpectralType(
        letter="F",
        share=0.04,
        temperature=(5980.0, 7320.0),
        mass=1.25,
        radius=1.35,
        limb=(0.24, 0.31),
    ),
    SpectralType(
        letter="A",
        share=0.02,
        temperature=(7320.0, 10000.0),
        mass=1.9,
        radius=1.8,
        limb=(0.18, 0.31),
    ),
)


def draw_types(rng: np.random.Generator, n: int) -> Types:
    """Draw ``n`` spectral types as indices into :data:`SPECTRAL_TYPES`, (n,), uint8."""
    edges = np.cumsum([each.share for each in SPECTRAL_TYPES])[:-1]
    return np.searchsorted(edges, rng.random(n), side="right").astype(np.uint8)


def letters(types: Types) -> npt.NDArray[np.str_]:
    """Return the letters of spectral types, (n,), str."""
    names: npt.NDArray[np.str_] = np.array([each.letter for each in SPECTRAL_TYPES])
    return names[types]
