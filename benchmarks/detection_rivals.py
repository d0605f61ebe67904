"""Speed, memory and quality of this program and its rivals on the same crowded cut-out.

The scene is the pinned one (CSST i band, the paper's density to i = 26) with a seed that no
training uses. All are given the true PSF. Each runs in a process of its own with one thread for
the arrays; compiling and loading, on a corner of the scene, are not timed. Stars of i < 25 are
scored; a find is right when it is any simulated star. The joint fit that is given the true list
finds nothing by itself, so only its magnitudes are scored. Rivals not installed are said so.

    python benchmarks/detection_rivals.py [--shape 300] [--only pnet sep] [--json rivals.json]

To have them all: pip install photutils==3.0.0 && pip install --no-deps crowdsourcephoto==0.5.9
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from support.rivals import RIVALS, Scene

from csstream.evaluation.scores import partners, score
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import draw_catalogue, electrons_from_magnitudes
from csstream.simulation.frames import render_frame

LIMIT = 25.0  # [mag]
RADII = (0.25, 0.5)  # [pixel]
WARM_UP = 128  # [pixel]
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


def main() -> None:
    arguments = parse_arguments()
    if arguments.child:
        run_child(arguments.child, Path(arguments.folder))
        return
    with tempfile.TemporaryDirectory() as folder:
        truth = make_scene(arguments.shape, arguments.seed, Path(folder))
        show_header(arguments, truth)
        rows = []
        for name in arguments.only or RIVALS:
            row = {"name": name} | run_rival(name, Path(folder), arguments.timeout)
            if "error" not in row:
                row |= judge(Path(folder), name, truth, arguments.shape)
            rows.append(row)
            show(row, rows[0])
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, default=300, help="pixels a side")
    parser.add_argument("--seed", type=int, default=5400)
    parser.add_argument("--only", nargs="*", choices=list(RIVALS), help="names of rivals")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for each")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_scene(side: int, seed: int, folder: Path) -> dict[str, np.ndarray]:
    """Simulate the frame into ``folder``; return the true stars."""
    instrument, rng = load_instrument("csst-i"), np.random.default_rng(seed)
    stars = draw_catalogue(rng, (side, side))
    image = render_frame(rng, stars, instrument, psf_from_instrument(instrument), (side, side))
    truth = {"x": stars.x, "y": stars.y, "mag": stars.mag}
    flux = electrons_from_magnitudes(stars.mag, instrument)
    np.savez(folder / "scene.npz", image=image, x=stars.x, y=stars.y, flux=flux)
    return truth


def run_rival(name: str, folder: Path, timeout: float) -> dict[str, Any]:
    """Measure in a process of its own; return its clock and memory."""
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder)]
    try:
        done = subprocess.run(
            command, env=os.environ | ONE_THREAD, timeout=timeout, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {timeout:.0f} s"}
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        missing = "ModuleNotFoundError" in last[0]
        hint = "not installed: make install-bench" if missing else last[0]
        return {"error": hint}
    result: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return result


def run_child(name: str, folder: Path) -> None:
    """Measure the scene and leave stars, times and memory in ``folder``."""
    warnings.simplefilter("ignore")
    stored = np.load(folder / "scene.npz")
    columns = {key: stored[key] for key in ("image", "x", "y", "flux")}
    scene = Scene(instrument=load_instrument("csst-i"), **columns)
    measure = RIVALS[name][1]()
    measure(scene.cut(WARM_UP))
    before = peak_mib()
    wall, cpu = time.perf_counter(), time.process_time()
    found = measure(scene)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    np.savez(folder / f"{name}.npz", x=found.x, y=found.y, flux=found.flux)
    clock = {"wall": wall, "cpu": cpu, "steps": found.steps}
    memory = {"peak_mib": peak_mib(), "before_mib": before}
    (folder / f"{name}.json").write_text(json.dumps(clock | memory))


def peak_mib() -> float:
    """Largest resident memory of this process so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def judge(folder: Path, name: str, truth: dict[str, np.ndarray], side: int) -> dict[str, Any]:
    """Score a rival's stars."""
    stored, instrument = np.load(folder / f"{name}.npz"), load_instrument("csst-i")
    x, y = stored["x"], stored["y"]
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = stored["flux"] / instrument.cadence.exposure_time
        mag = instrument.photometry.zero_point - 2.5 * np.log10(rate)
    tx, ty = truth["x"], truth["y"]
    inside = (tx >= -0.5) & (ty >= -0.5) & (tx < side - 0.5) & (ty < side - 0.5)
    scored = inside & (truth["mag"] < LIMIT)
    result: dict[str, Any] = {"finds": int(x.size), "stars": int(scored.sum())}
    for radius in RADII:
        partner = partners(x, y, tx, ty, radius)
        result[f"score_{radius}"] = score(partner, mag < LIMIT, scored)._asdict()
    found = np.flatnonzero(partner >= 0)
    found = found[scored[partner[found]] & np.isfinite(mag[found])]
    result["median_abs_dm"] = float(np.median(np.abs(mag[found] - truth["mag"][partner[found]])))
    return result | {"mpx": side * side / 1e6}


def show_header(arguments: argparse.Namespace, truth: dict[str, np.ndarray]) -> None:
    print(f"{arguments.shape} x {arguments.shape} px, seed {arguments.seed}", end=", ")
    print(
        f"{truth['x'].size} stars to i = 26 with a margin; one thread each, {os.cpu_count()} cores"
    )
    print(
        f"{'':24s} finds  wall s   cpu s  x first  stars/s    Mpx/s   recall .25 .5     "
        "F1 .25 .5   med|dm|  peak MiB (+run)"
    )


def show(row: dict[str, Any], first: dict[str, Any]) -> None:
    title = RIVALS[row["name"]][0]
    if "error" in row:
        print(f"{title:24s} {row['error']}", flush=True)
        return
    ratio = row["cpu"] / first["cpu"] if "cpu" in first else float("nan")
    scores = [row[f"score_{radius}"] for radius in RADII]
    given = row["name"] == "oracle"
    recall = " ".join("given" if given else f"{one['recall']:.3f}" for one in scores)
    f1 = " ".join("given" if given else f"{one['f1']:.3f}" for one in scores)
    print(
        f"{title:24s} {row['finds']:5d} {row['wall']:7.2f} {row['cpu']:7.2f} {ratio:8.2f} "
        f"{row['finds'] / row['cpu']:8.0f} {row['mpx'] / row['cpu']:8.4f}   {recall}   {f1}   "
        f"{row['median_abs_dm']:.4f} {row['peak_mib']:7.0f} "
        f"(+{row['peak_mib'] - row['before_mib']:.0f})"
    )
    for step, seconds in row["steps"].items():
        if seconds >= 0.001:
            speed = f"{row['finds'] / seconds:10.0f} stars/s {row['mpx'] / seconds:8.3f} Mpx/s"
            print(f"    {step:14s} {seconds:8.3f} s {speed}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
