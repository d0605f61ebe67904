"""``csstream bound``: what the photons of a scene allow, star by star and over magnitude."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from csstream.evaluate.scenes import Scene
from csstream.evaluation.bound_table import bound_table, recalls
from csstream.evaluation.lists import Float
from csstream.imaging.fit.bound import cramer_rao_bound

APART = 120  # [pixel] between stars that shall not feel each other
MAGNITUDES = tuple(np.arange(19.0, 25.5, 1.0))
FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits"}
UNITS = {
    "x": "pix", "y": "pix", "mag": "mag", "sigma_mag": "mag", "sigma_x": "pix", "sigma_y": "pix",
    "neighbour": "pix", "isolated_mag": "mag", "isolated_x": "pix", "crowded_mag": "mag",
    "crowded_x": "pix",
}  # fmt: skip


def magnitude_table(scene: Scene) -> list[dict[str, float]]:
    """Return the table over magnitude, see :func:`csstream.evaluation.bound_table.bound_table`."""
    mag, x = isolated_bound(scene, np.array(MAGNITUDES))
    return bound_table(scene.truth, MAGNITUDES, mag, x)


def isolated_bound(scene: Scene, magnitudes: Float) -> tuple[Float, Float]:
    """Return σ_mag and σ_x of stars (k,) that stand alone on the scene's median sky."""
    frame = scene.frame
    flux = frame.exposure_time * 10.0 ** (-0.4 * (magnitudes - frame.zero_point))
    x = APART * (np.arange(magnitudes.size) + 0.5)
    bound = cramer_rao_bound(
        scene.psf.central,
        x,
        np.full(x.size, 0.5 * APART),
        flux,
        shape=(APART, APART * magnitudes.size),
        background=float(np.median(scene.level)),
        read_noise=frame.read_noise,
    )
    return bound.mag_err, bound.x_err


def lines(scene: Scene, limit: float) -> Iterator[str]:
    """Yield the table as text."""
    truth = scene.truth
    scored = int((truth.inside & (truth.mag < limit)).sum())
    yield (
        f"{scene.name}: {int(truth.inside.sum())} stars, {scored} brighter than {limit:g}; "
        f"FWHM {scene.psf.fwhm:.2f} pixel, sky {float(np.median(scene.level)):.0f} electron"
    )
    yield (
        f"{'mag':>5s} {'stars':>7s} {'isolated σ':>17s} {'crowded median':>17s} {'separable':>9s} "
        f"{'best recall 0.1, 0.25, 0.5 px':>30s}"
    )
    for row in magnitude_table(scene):
        recall = " ".join(f"{row[f'recall_{r}']:.3f}" for r in ("0.1", "0.25", "0.5"))
        yield (
            f"{row['mag']:5.1f} {row['stars']:7.0f} {row['isolated_mag']:7.4f} mag "
            f"{row['isolated_x']:.3f} {row['crowded_mag']:7.4f} mag {row['crowded_x']:.3f} "
            f"{row['separable']:9.3f} {recall:>30s}"
        )
    best = " ".join(f"{value:.3f}" for value in recalls(truth, limit).values())
    yield f"all stars brighter than {limit:g}: best recall {best}"


def write_stars(path: Path, scene: Scene) -> None:
    """Write one row per star in the frame: place, magnitude, bound."""
    inside = scene.truth.select(scene.truth.inside)
    columns = {name: values for name, values in inside.columns().items() if name != "inside"}
    _write(path, Table(columns), scene)


def write_magnitudes(path: Path, scene: Scene) -> None:
    """Write the table over magnitude."""
    rows = magnitude_table(scene)
    _write(path, Table(rows=[list(row.values()) for row in rows], names=list(rows[0])), scene)


def _write(path: Path, table: Table, scene: Scene) -> None:
    meta: dict[str, Any] = {
        "scene": scene.name,
        "instrument": scene.instrument.name,
        "bound": "joint Cramér–Rao, positions free",
    }
    for name, unit in UNITS.items():
        if name in table.colnames:
            table[name].unit = unit
    if path.suffix.lower() != ".fits":  # FITS headers hold ASCII
        table.meta.update(meta)
    table.write(path, format=FORMATS[path.suffix.lower()], overwrite=True)
