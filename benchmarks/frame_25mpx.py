"""One big frame from the file to its measurements: seconds per step, and peak memory.

Simulates a frame of the pinned scene (CSST i band, the paper's density) into a FITS file, with a
seed that no training uses. Then, in a process of its own for every row, reads and measures it
just as ``csstream detect`` and the detection service do. Compiling and loading, on a frame of
256 x 256 px, are not timed.

    python benchmarks/frame_25mpx.py [--sizes 1000] [--threads 1 2] [--psf given estimated]
    python benchmarks/frame_25mpx.py --sizes 5000            # the paper's frame: 25 Mpx
    python benchmarks/frame_25mpx.py --sizes 500 1000 2000 4000 --threads 2
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
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.frames.fits_io import read_frame
from csstream.imaging.measure import MeasureSettings, measure_frame
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import draw_catalogue
from csstream.simulation.frame_files import FrameFacts, FrameWriter, field_wcs
from csstream.simulation.frames import render_frame

WARM_UP = 256  # [pixel]
START = 62500.0  # [MJD, TAI] of a simulated exposure
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def main() -> None:
    arguments = parse_arguments()
    if arguments.child:
        run_child(json.loads(arguments.child))
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for psf in arguments.psf:
            write_frame(Path(folder), WARM_UP, arguments.seed, psf)
        for side, psf in product(arguments.sizes, arguments.psf):
            path = write_frame(Path(folder), side, arguments.seed, psf)
            for threads in arguments.threads:
                rows.append(run(path, side, psf, threads, arguments.method))
                show(rows[-1])
            path.unlink()
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000], help="pixels a side")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--psf", nargs="+", default=["given"], choices=["given", "estimated"])
    parser.add_argument("--method", default="pnet", choices=["pnet", "classical"])
    parser.add_argument("--seed", type=int, default=5500)
    parser.add_argument("--folder", help="for the frames; default: the system's temporary folder")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def write_frame(folder: Path, side: int, seed: int, psf: str) -> Path:
    """Simulate one frame to a file; without a PSF extension where it is to be estimated."""
    instrument, rng = load_instrument("csst-i"), np.random.default_rng([seed, side])
    true = psf_from_instrument(instrument)
    stars = draw_catalogue(rng, (side, side))
    image = render_frame(rng, stars, instrument, true, (side, side))
    writer = FrameWriter(
        instrument=instrument,
        wcs=field_wcs(instrument, (side, side), 1),
        psf=true if psf == "given" else None,
        detectors=1,
        compress=True,
    )
    path = folder / f"{psf}-{side}.fits"
    half = instrument.cadence.exposure_time / 2.0 / 86400.0
    facts = FrameFacts(
        file=path.name, visit=1, detector=1, mjd_start_tai=START, mjd_mid_tai=START + half,
        dither_x=0.0, dither_y=0.0, psf_scale=1.0, zero_point=instrument.photometry.zero_point,
    )  # fmt: skip
    writer.write(path, image, facts)
    return path


def run(path: Path, side: int, psf: str, threads: int, method: str) -> dict[str, Any]:
    """Measure in a process of its own; return its clock and memory."""
    task = {"path": str(path), "threads": threads, "method": method}
    task["warm_up"] = str(path.parent / f"{psf}-{WARM_UP}.fits")
    command = [sys.executable, __file__, "--child", json.dumps(task)]
    environment = os.environ | ONE_THREAD
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return {"side": side, "psf": psf, "threads": threads} | json.loads(done.stdout)


def run_child(task: dict[str, Any]) -> None:
    """Read and measure the frame; print times and memory."""
    instrument = load_instrument("csst-i")
    threads = task["threads"]
    strategy, _ = choose_strategy(instrument, task["method"], threads=threads)
    nominal, settings = psf_from_instrument(instrument), MeasureSettings(threads=threads)
    small = read_frame(task["warm_up"], instrument)
    measure_frame(small, strategy, nominal_psf=nominal, settings=settings)
    before = peak_mib()
    wall, cpu = time.perf_counter(), time.process_time()
    frame = read_frame(task["path"], instrument)
    read = time.perf_counter() - wall
    measured = measure_frame(frame, strategy, nominal_psf=nominal, settings=settings)
    result = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "steps": {"read": read} | measured.timings,
        "sources": len(measured.sources),
        "fwhm": measured.fwhm,
        "before_mib": before,
        "peak_mib": peak_mib(),
    }
    print(json.dumps(result))


def peak_mib() -> float:
    """Largest resident memory of this process so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def show(row: dict[str, Any]) -> None:
    mpx = row["side"] ** 2 / 1e6
    print(
        f"{row['side']} x {row['side']} px ({mpx:g} Mpx), PSF {row['psf']}, {row['threads']} "
        f"thread(s) of {os.cpu_count()} cores, {row['sources']} sources, FWHM {row['fwhm']:.3f} px"
    )
    for step, seconds in row["steps"].items():
        print(f"    {step:14s} {seconds:8.2f} s {seconds / mpx:8.3f} s/Mpx")
    bytes_per_pixel = (row["peak_mib"] - row["before_mib"]) * 2**20 / (mpx * 1e6)
    print(
        f"    {'all':14s} {row['wall']:8.2f} s wall, {row['cpu']:.2f} s of CPU, "
        f"{mpx / row['wall']:.2f} Mpx/s, {row['sources'] / row['wall']:.0f} stars/s\n"
        f"    peak memory {row['peak_mib']:.0f} MiB, of which {row['before_mib']:.0f} before the "
        f"frame: {bytes_per_pixel:.0f} bytes a pixel",
        flush=True,
    )


if __name__ == "__main__":
    main()
