"""The long stage on several cores: a process per field, and one count of all frames."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from csstream.evaluate.survey_plan import SurveyPlan
from csstream.evaluate.survey_stage import fields_to_do, frames_done, measure_field

Progress = Callable[[int, int], None]
LOOK = 2.0  # [s] between two looks at what is on disk


def measure_survey(run: Path, plan: SurveyPlan, workers: int, progress: Progress) -> None:
    """Measure all fields of a plan, as far as they are not measured yet.

    Fields are begun in order. Killed at any time and called again, it goes on; the curves do not
    depend on that, nor on the number of workers.
    """
    total = plan.frames * plan.fields
    progress(frames_done(run, plan), total)
    waiting = list(fields_to_do(run, plan))
    if workers < 2 or len(waiting) < 2:
        for index in waiting:
            measure_field(run, plan, index, lambda _: progress(frames_done(run, plan), total))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by the processes when they start
    context = multiprocessing.get_context("spawn")  # threads of a fork would be lost
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs: set[Future[None]] = {pool.submit(_field, run, plan, index) for index in waiting}
        while jobs:
            ended, jobs = wait(jobs, timeout=LOOK, return_when=FIRST_COMPLETED)
            for job in ended:
                job.result()
            progress(frames_done(run, plan), total)


def _field(run: Path, plan: SurveyPlan, index: int) -> None:
    measure_field(run, plan, index, lambda _: None)
