"""Curves without signals, made from measured ones: for false-alarm rates that are counted.

What is shortlisted, and what lies beside it, must not be in the null: with one percent of
variables in it the threshold for 1e-3 moves from a signal-to-noise of 5.4 to 180. What is left may
still hold weak signals; scrambling blocks of time takes their period away and keeps noise that is
correlated within a block. Turning curves over keeps a sinusoid a sinusoid, so it is no null for
the search of sinusoids; it shows whether dips and brightenings are alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def scrambled(
    time: Array, flux: Array, weight: Array, block: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Put blocks of time into another order, the same for all stars; (n, m) each.

    Times stay; the epochs' fluxes and weights change places in blocks of ``block`` [day], each
    star's series rolled by its own number of epochs first, so that stars do not share a scramble.

    Parameters
    ----------
    time : ndarray, (m,) [day], increasing. flux, weight : ndarray, (n, m).
    """
    number = np.floor((time - time[0]) / block).astype(np.int64)
    _, index = np.unique(number, return_inverse=True)
    order = np.argsort(rng.permutation(index.max() + 1)[index], kind="stable")
    roll = rng.integers(0, len(time), (len(flux), 1))
    place = (order[None, :] + roll) % len(time)
    return np.take_along_axis(flux, place, axis=1), np.take_along_axis(weight, place, axis=1)


def inverted(flux: Array) -> Array:
    """Relative flux (around zero) turned over: dips become brightenings."""
    return -np.asarray(flux)


def quiet(fap: Array, x: Array, y: Array, limit: float, radius: float) -> Array:
    """Stars that neither stand out themselves nor lie beside one that does; (n,) bool.

    fap : ndarray, (n,): of one look. limit : from which a star is taken for a signal. x, y : (n,)
    positions; radius : in the same unit.
    """
    loud = np.flatnonzero(~(np.asarray(fap) > limit))
    beside = np.zeros(len(fap), bool)
    for star in loud:
        beside |= (x - x[star]) ** 2 + (y - y[star]) ** 2 <= radius**2
    beside[loud] = True
    return ~beside
