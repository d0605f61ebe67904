"""An honest evaluation of PNet: other skies than it was trained on, at pinned conditions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluation.calibration import fit_calibration, reliability
from csstream.evaluation.scores import RADII, partners, score
from csstream.evaluation.statistics import robust_width
from csstream.imaging.background import estimate_background
from csstream.imaging.pnet import Decoded, empty_pixel_noise
from csstream.imaging.pnet_strategy import PnetStrategy
from csstream.imaging.psf import PixelPsf, psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import StarCatalogue, draw_catalogue
from csstream.simulation.frames import render_frame
from csstream.trainer.pnet_scenes import SceneSettings, limiting_flux, magnitude_of

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SCORED_SNR = 12.0  # isolated stars above it are scored: i = 25.0 for csst-i
MAG_PER_LN = 2.5 / np.log(10.0)
BIN_EDGES = (7.5, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0)  # [mag] brighter than the scene's faintest star


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """One test scene; factors of the instrument's nominal values."""

    name: str
    size: int = 1000  # [pixel]
    sky: float = 1.0
    width: float = 1.0
    density: float = 1.0


PINNED = (
    Conditions(name="nominal"),
    Conditions(name="dark sky", size=600, sky=0.41),
    Conditions(name="sharp", size=600, width=0.864),
    Conditions(name="wide", size=600, width=1.136),
    Conditions(name="sparse", size=600, density=0.3),
)


@dataclass(frozen=True, eq=False)
class Judged:
    """The finds in one simulated frame beside the truth."""

    found: Decoded
    magnitude: Float  # (n,) of the finds
    truth: StarCatalogue
    inside: Mask  # which true stars lie in the frame
    scored_mag: float  # truth brighter than it is scored


def judge(
    strategy: PnetStrategy,
    instrument: Instrument,
    conditions: Conditions,
    scenes: SceneSettings,
    rng: np.random.Generator,
) -> Judged:
    """Simulate a frame, estimate its background as in service, and find its stars."""
    nominal = psf_from_instrument(instrument)
    faint = magnitude_of(limiting_flux(instrument, nominal, scenes.faintest_snr), instrument)
    shape = (conditions.size, conditions.size)
    truth = draw_catalogue(
        rng,
        shape,
        density=scenes.density * conditions.density,
        mag_bright=faint - scenes.magnitudes_bright,
        mag_faint=faint,
    )
    psf = _psf(instrument, conditions.width)
    sky = instrument.photometry.sky * conditions.sky
    image = render_frame(rng, truth, instrument, psf, shape, sky=sky)
    detector = instrument.detector
    mask = image >= detector.saturation * detector.gain
    level = estimate_background(image, mask).level
    found = strategy.decode_in(image, level, detector.read_noise, mask)
    noise = empty_pixel_noise(level, detector.read_noise)
    row = np.clip(np.rint(found.y).astype(np.int64), 0, shape[0] - 1)
    column = np.clip(np.rint(found.x).astype(np.int64), 0, shape[1] - 1)
    flux = np.exp(found.ln_flux.astype(np.float64)) * noise[row, column]
    rate = flux / instrument.cadence.exposure_time
    magnitude = instrument.photometry.zero_point - 2.5 * np.log10(rate)
    scored = magnitude_of(limiting_flux(instrument, nominal, SCORED_SNR), instrument)
    return Judged(found, magnitude, truth, truth.inside(shape), scored)


def calibrate(judged: Judged) -> dict[str, list[float]]:
    """Return the knots that make probabilities of logits, as the model card keeps them."""
    found, truth = judged.found, judged.truth
    right = partners(found.x, found.y, truth.x, truth.y, 0.5) >= 0
    logit, probability = fit_calibration(found.logit.astype(np.float64), right)
    return {"logit": logit.tolist(), "probability": probability.tolist()}


def summarise(judged: Judged, strategy: PnetStrategy) -> dict[str, Any]:
    """Return scores, photometric and astrometric scatter and the reliability of one frame."""
    found, truth = judged.found, judged.truth
    scored_true = judged.inside & (truth.mag < judged.scored_mag)
    result: dict[str, Any] = {"finds": int(found.x.size), "scored_mag": judged.scored_mag}
    result["lenient"] = _scores(judged, scored_true, strict=False)
    result["strict"] = _scores(judged, scored_true, strict=True)
    partner = partners(found.x, found.y, truth.x, truth.y, 0.5)
    result |= _photometry(judged, partner, scored_true)
    probability = strategy.probability(found.logit)
    result["reliability"] = reliability(probability, partner >= 0)
    return result


def _scores(judged: Judged, scored_true: Mask, *, strict: bool) -> dict[str, list[float]]:
    """Return recall, precision and F1 at each of :data:`RADII`.

    Lenient: a find is right when it is any simulated star. Strict: only when it is a scored one.
    """
    found, truth = judged.found, judged.truth
    counted = judged.magnitude < judged.scored_mag
    columns: dict[str, list[float]] = {"radius": list(RADII), "recall": [], "precision": []}
    columns["f1"] = []
    for radius in RADII:
        if strict:
            few = truth.select(scored_true)
            partner = partners(found.x, found.y, few.x, few.y, radius)
            result = score(partner, counted, np.ones(len(few), np.bool_))
        else:
            partner = partners(found.x, found.y, truth.x, truth.y, radius)
            result = score(partner, counted, scored_true)
        for key, value in zip(("recall", "precision", "f1"), result, strict=True):
            columns[key].append(round(value, 4))
    return columns


def _photometry(
    judged: Judged, partner: npt.NDArray[np.int64], scored_true: Mask
) -> dict[str, Any]:
    hit = partner >= 0
    hit[hit] = scored_true[partner[hit]]
    true_mag = judged.truth.mag[partner[hit]]
    miss = judged.magnitude[hit] - true_mag
    shift = judged.found.x[hit] - judged.truth.x[partner[hit]]
    predicted = MAG_PER_LN * np.sqrt(2.0) * judged.found.flux_width[hit].astype(np.float64)
    edges = judged.truth.mag.max() - np.array(BIN_EDGES)
    scatter = []
    for low, high in pairwise(edges):
        inside = (true_mag >= low) & (true_mag < high)
        row = {"mag": [round(float(low), 2), round(float(high), 2)], "number": int(inside.sum())}
        row |= {"mag_scatter": robust_width(miss[inside]), "x_scatter": robust_width(shift[inside])}
        scatter.append(row)
    return {
        "mag_miss_mean": float(np.abs(miss).mean()),
        "mag_miss_median": float(np.median(np.abs(miss))),
        "mag_pull_width": robust_width(miss / predicted),
        "scatter": scatter,
    }


def _psf(instrument: Instrument, width: float) -> PixelPsf:
    shape = instrument.psf
    if shape.model == "diffraction":
        return psf_from_instrument(instrument, r80_arcsec=shape.r80_arcsec * width)
    return psf_from_instrument(instrument, fwhm_arcsec=shape.fwhm_arcsec * width)
