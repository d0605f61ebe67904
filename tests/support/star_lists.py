"""Small truths and finds."""

import numpy as np

from csstream.evaluation.lists import Finds, Truth


def make_truth(x, y, mag, *, sigma=0.01, place=0.02, inside=True, neighbour=5.0, snr=50.0):
    n = len(x)

    def full(value):
        return np.broadcast_to(np.asarray(value, np.float64), n).copy()

    return Truth(
        x=full(x),
        y=full(y),
        mag=full(mag),
        inside=np.broadcast_to(np.asarray(inside, np.bool_), n).copy(),
        neighbour=full(neighbour),
        sigma_mag=full(sigma),
        sigma_x=full(place),
        sigma_y=full(place),
        deblending_snr=full(snr),
    )


def make_finds(x, y, mag, *, mag_err=0.01, place=0.02):
    n = len(x)

    def full(value):
        return np.broadcast_to(np.asarray(value, np.float64), n).copy()

    return Finds(
        x=full(x), y=full(y), mag=full(mag), mag_err=full(mag_err), x_err=full(place),
        y_err=full(place),
    )  # fmt: skip
