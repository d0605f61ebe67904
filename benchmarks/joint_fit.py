"""Time the joint fit step by step, with its memory: a list of stars on a simulated dense frame.

    python benchmarks/joint_fit.py [--shape 1000] [--repeat 1] [--limit 25.0] [--iterations 5]

The pinned scene (CSST i band, the paper's density to i = 26); the list holds the true stars down
to a limit, with errors of a detection. ``--repeat 5`` lays the frame out five times along both
axes: 25 megapixels with ``--shape 1000``, whose seams do not matter for time and memory. Times
are core-seconds of one thread, and of the clock for several; compilation is not counted. Memory is
what the fit adds to its input, the output included, as Linux counts it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np

from csstream.imaging.fit import state as fit_state
from csstream.imaging.fit.joint_fit import FitResult, FitSettings, joint_fit
from csstream.imaging.fit.state import FitState
from csstream.imaging.fit.wings import Wings
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import draw_catalogue, electrons_from_magnitudes
from csstream.simulation.frames import render_frame

SEED = 900
POSITION_ERROR = 0.08  # [pixel] of the list
FLUX_ERROR = 0.05  # relative
READ_NOISE = 5.0  # [electron]
SKY = 250.0  # [electron]
FULL_WELL = 9e4  # [electron]
STEPS = {
    "sort, pairs, tables": (FitState, "place"),
    "wings": (Wings, "renew"),
    "model, weights": (FitState, "evaluate"),
    "sky": (FitState, "correct_sky"),
    "normal matrix": (FitState, "assemble"),
    "conjugate gradients": (fit_state, "solve"),
    "errors": (FitState, "errors"),
    "quality": (FitState, "quality"),
}


class Task(NamedTuple):
    """A frame and its list."""

    image: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    mag: np.ndarray

    @property
    def megapixels(self) -> float:
        return self.image.size / 1e6

    def cut(self, limit: float) -> Task:
        keep = self.mag < limit
        return Task(self.image, *(v[keep] for v in self[1:]))


def main() -> None:
    """Print the times of all steps and settings."""
    arguments = _arguments()
    psf = psf_from_instrument(load_instrument("csst-i"))
    task = _task(arguments.shape, arguments.repeat, psf).cut(arguments.limit)
    settings = FitSettings(iterations=arguments.iterations, settled=0.0)
    for varying in (FieldPsf.constant(psf), _varying(psf, task.image.shape)):
        _fit(task.cut(18.0), varying, settings)  # compile
    print(f"{task.x.size} stars, {task.megapixels:.1f} Mpx, {arguments.iterations} iterations")
    before = _forget_peak()
    seconds, _ = _timed(lambda: _fit(task, psf, settings))
    memory = _peak() - before
    print(
        f"one thread   {seconds:6.2f} core-s  {seconds / task.megapixels:6.3f} core-s/Mpx  "
        f"{task.x.size / seconds:8.0f} stars/s  peak +{memory / 1e9:.2f} GB, "
        f"{memory / task.megapixels / 1e6:.0f} B/px"
    )
    _print_steps(task, psf, settings)
    seconds, _ = _timed(lambda: _fit(task, _varying(psf, task.image.shape), settings))
    print(f"PSF of six terms  {seconds:6.2f} core-s")
    _print_threads(task, psf, arguments.iterations)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, default=1000, help="pixels a side")
    parser.add_argument("--repeat", type=int, default=1, help="times along both axes")
    parser.add_argument("--limit", type=float, default=25.0, help="the list's faintest magnitude")
    parser.add_argument("--iterations", type=int, default=5)
    return parser.parse_args()


def _task(side: int, repeat: int, psf: PixelPsf) -> Task:
    instrument, rng = load_instrument("csst-i"), np.random.default_rng(SEED)
    truth = draw_catalogue(rng, (side, side))
    image = render_frame(rng, truth, instrument, psf, (side, side))
    keep = truth.inside((side, side))
    flux = electrons_from_magnitudes(truth.mag[keep], instrument)
    shifts = np.arange(repeat) * float(side)
    x = np.tile((truth.x[keep] + shifts[:, None]).ravel(), repeat)
    y = (truth.y[keep] + shifts[:, None, None] + np.zeros((repeat, 1))).ravel()
    n = x.size
    order = rng.permutation(n)  # a finder's list is not sorted by place
    x, y = x + rng.normal(0.0, POSITION_ERROR, n), y + rng.normal(0.0, POSITION_ERROR, n)
    flux = np.tile(flux, repeat * repeat) * rng.normal(1.0, FLUX_ERROR, n)
    columns = (x, y, flux, np.tile(truth.mag[keep], repeat * repeat))
    return Task(np.tile(image, (repeat, repeat)), *(v[order] for v in columns))


def _varying(psf: PixelPsf, shape: tuple[int, ...]) -> FieldPsf:
    """The same PSF as a polynomial of second degree."""
    zero = PixelPsf(np.zeros_like(psf.samples), psf.oversampling)
    centre = (shape[1] / 2.0, shape[0] / 2.0)
    return FieldPsf((psf, *[zero] * 5), 2, centre, centre)


def _fit(task: Task, psf: PixelPsf | FieldPsf, settings: FitSettings) -> FitResult:
    level = np.full(task.image.shape, SKY, np.float32)
    return joint_fit(
        task.image, task.image > FULL_WELL, level, psf, task.x, task.y, task.flux,
        read_noise=READ_NOISE, settings=settings,
    )  # fmt: skip


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = process_time()
    result = work()
    return process_time() - started, result


def _peak() -> int:
    """Most memory that this process has held since it was told to forget [byte]; Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _print_steps(task: Task, psf: PixelPsf, settings: FitSettings) -> None:
    """Time each step by wrapping it; model includes wings."""
    spent = dict.fromkeys(STEPS, 0.0)
    originals = {name: getattr(*where) for name, where in STEPS.items()}
    for name, (owner, attribute) in STEPS.items():
        setattr(owner, attribute, _clocked(originals[name], name, spent))
    try:
        _fit(task, psf, settings)
    finally:
        for name, (owner, attribute) in STEPS.items():
            setattr(owner, attribute, originals[name])
    spent["model, weights"] -= spent["wings"]
    for name, seconds in spent.items():
        print(f"  {name:20s} {seconds / task.megapixels:6.3f} core-s/Mpx")


def _clocked(function: Any, name: str, spent: dict[str, float]) -> Any:
    def wrapped(*values: Any, **named: Any) -> Any:
        seconds, result = _timed(lambda: function(*values, **named))
        spent[name] += seconds
        return result

    return wrapped


def _print_threads(task: Task, psf: PixelPsf, iterations: int) -> None:
    for threads in (1, 2):
        settings = FitSettings(iterations=iterations, settled=0.0, threads=threads)
        started = perf_counter()
        _fit(task, psf, settings)
        print(f"{threads} threads    {perf_counter() - started:6.2f} s of the clock")


if __name__ == "__main__":
    main()
