"""Verdicts on disk: of one field's curves, by one state of the program."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from csstream.alerting.judging import AlertRules
from csstream.alerting.schedule import Schedule
from csstream.evaluate.survey_extras import with_extras
from csstream.evaluate.survey_looks import (
    LookRules,
    ObjectVerdicts,
    examine_field,
    number_of_looks,
)
from csstream.evaluate.survey_plan import read_plan
from csstream.evaluation.curve_store import (
    FieldCurves,
    chunk_files,
    extras_file,
    frames_measured,
    load,
    read_extras,
    read_field,
    save,
)
from csstream.instruments.instrument import load_instrument
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

VERDICTS = "verdicts.npz"
PROGRAM = ("csstream.timeseries", "csstream.alerting", "csstream.association")
NO_NETWORK = "none"
Progress = Callable[[int, int], None]


def rules_of(weights: str, every: int) -> LookRules:
    """Return the services' own rules, with the network called ``weights`` (``none``: without).

    Raises
    ------
    csstream.inference.cards.InferenceError
        The weights cannot be loaded.
    """
    settings, predict = ExamineSettings(), None
    if weights != NO_NETWORK:
        from csstream.inference.classifier import CurveClassifier
        from csstream.inference.session import open_session

        predict = CurveClassifier(open_session(weights, provider="cpu", threads=1)).predict
    return LookRules(
        search=lambda time, flux, error: examine_panel(time, flux, error, settings, predict),
        rules=AlertRules(),
        schedule=Schedule(),
        every=every,
    )


def read_with_extras(folder: Path) -> FieldCurves:
    """Read a field's curves, of what was found beside its list too."""
    instrument = load_instrument(read_plan(folder.parent).instrument)
    return with_extras(read_field(folder), read_extras(folder), instrument)


def verdicts_of(
    folder: Path,
    weights: str,
    every: int,
    progress: Progress = lambda done, total: None,
    program: bytes | None = None,
) -> ObjectVerdicts:
    """Return the verdicts on a field's curves: from disk where they are of the same curves,
    rules, network and program, else made anew and written.

    ``program`` is the hash of the program that began the work; None: of this one.
    """
    path, mark = folder / VERDICTS, fingerprint(folder, weights, every, program)
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            same = str(stored["fingerprint"]) == mark
        if same:
            return ObjectVerdicts(**load(path, ObjectVerdicts))
    curves, rules = read_with_extras(folder), rules_of(weights, every)
    total, done = number_of_looks(curves, rules), 0

    def step(looks: int) -> None:
        nonlocal done
        done += looks
        progress(done, total)

    made = examine_field(curves, rules, step)
    save(path, made, fingerprint=np.array(mark))
    return made


def examine_fields(
    folders: Sequence[Path], weights: str, every: int, workers: int, progress: Progress
) -> None:
    """Have the verdicts on several fields on disk, a process per field; ``progress`` in fields."""
    if workers < 2 or len(folders) < 2:
        for folder in folders:
            verdicts_of(folder, weights, every, progress)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by the processes when they start
    context = multiprocessing.get_context("spawn")  # threads of a fork would be lost
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [
            pool.submit(_examined, folder, weights, every, program_hash()) for folder in folders
        ]
        for done, job in enumerate(as_completed(jobs), start=1):
            job.result()
            progress(done, len(jobs))


def _examined(folder: Path, weights: str, every: int, program: bytes) -> None:
    verdicts_of(folder, weights, every, program=program)


def fingerprint(folder: Path, weights: str, every: int, program: bytes | None = None) -> str:
    """Return a hash of all that the verdicts depend on."""
    digest = hashlib.sha256(f"{weights}|{every}|{frames_measured(folder)}".encode())
    for chunk in chunk_files(folder):
        for path in (chunk, extras_file(chunk)):
            if path.exists():
                digest.update(f"{path.name}|{path.stat().st_size}".encode())
    digest.update(program_hash() if program is None else program)
    if weights != NO_NETWORK:
        digest.update(_weights(weights))
    return digest.hexdigest()


@cache  # what runs is what was read when the process began
def program_hash() -> bytes:
    """Return a hash of the code that looks and judges."""
    digest = hashlib.sha256()
    for package in PROGRAM:
        for entry in sorted(resources.files(package).iterdir(), key=lambda e: e.name):
            if entry.name.endswith((".py", ".json")):
                digest.update(entry.name.encode() + entry.read_bytes())
    return digest.digest()


def _weights(name: str) -> bytes:
    if name.endswith(".onnx"):
        return Path(name).read_bytes()
    return resources.files("csstream.inference").joinpath(f"weights/{name}.onnx").read_bytes()
