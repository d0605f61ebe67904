"""``csstream evaluate survey`` and ``csstream evaluate yield``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

PARTS = ("a", "b", "c", "quiet", "quiet-c")
ARMS = ("reference", "fit", "network", "classical")


def survey(
    part: Annotated[
        str,
        typer.Option(
            help="Some of a (the paper's mix), b (enriched), c (enriched, low orbit), quiet and "
            "quiet-c (constant stars of the calibration sky), with commas."
        ),
    ] = "a,b,c",
    fields: Annotated[int | None, typer.Option(help="Fields of each part.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of a field in pixels.")] = None,
    frames: Annotated[int | None, typer.Option(help="Exposures of each field.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="900 to 999 to try out, 3000s to train, 5000s to report."),
    ] = None,
    arm: Annotated[str, typer.Option(help=f"How frames are measured: {', '.join(ARMS)}.")] = (
        "reference"
    ),
    workers: Annotated[int, typer.Option(help="Processes, a field each.")] = 2,
    weights: Annotated[
        str, typer.Option(help="Classifier: a shipped name, an ONNX file, or none.")
    ] = "classifier",
    every: Annotated[
        int, typer.Option(help="Take each so-many-th look and the last ones; 1: all of them.")
    ] = 1,
    measure: Annotated[
        bool, typer.Option(help="Measure what is missing; else judge what is complete.")
    ] = True,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the survey; a part in each below.")
    ] = Path("survey"),
) -> None:
    """Simulate, measure, examine and judge a whole survey, from pixels to alerts.

    Killed at any time, the same command goes on. Leaves survey-report.json and
    survey-report.html. The whole survey takes about 5000 core-seconds to measure.
    """
    from csstream.evaluate.survey_plan import PlanError

    wanted = _of(part, PARTS, "--part")
    _of(arm, ARMS, "--arm")
    changes = {"fields": fields, "size": size, "frames": frames, "seed": seed, "arm": arm}
    try:
        if measure:
            for name in wanted:
                _measure(output / name, name, changes, workers)
        _report(output, wanted, weights, every, workers)
    except (PlanError, FileNotFoundError, ValueError) as error:
        typer.echo(f"csstream evaluate survey: {error}", err=True)
        raise typer.Exit(1) from error


def _measure(run: Path, name: str, changes: dict[str, Any], workers: int) -> None:
    from csstream.cli.progress import progress_bar
    from csstream.evaluate.detection import versions
    from csstream.evaluate.survey_plan import keep_plan, plan_of
    from csstream.evaluate.survey_run import measure_survey

    plan = plan_of(name, changes)
    keep_plan(run, plan, versions())
    with progress_bar(f"part {name}: frames") as progress:
        measure_survey(run, plan, workers, progress)


def _report(folder: Path, wanted: list[str], weights: str, every: int, workers: int) -> None:
    from csstream.cli.progress import progress_bar
    from csstream.evaluate.survey_page import PAGE_NAME, write_report
    from csstream.evaluate.survey_report import JSON_NAME, judge_part, lines

    parts = {}
    for name in wanted:
        with progress_bar(f"part {name}: looks") as progress:
            try:
                parts[name] = judge_part(folder / name, weights, every, progress, workers)
            except (FileNotFoundError, ValueError) as error:
                typer.echo(f"part {name} is left out: {error}", err=True)
    if not parts:
        raise FileNotFoundError(f"{folder} holds no complete field of {', '.join(wanted)}")
    content = write_report(folder, parts, " ".join(["csstream", *sys.argv[1:]]))
    for line in lines(content):
        typer.echo(line)
    typer.echo(f"{folder / PAGE_NAME}, {folder / JSON_NAME}")


def _of(text: str, known: tuple[str, ...], option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        message = f"{', '.join(unknown) or 'nothing'}: not one of {', '.join(known)}"
        raise typer.BadParameter(message, param_hint=option)
    return names


def survey_yield(
    report: Annotated[
        Path, typer.Argument(help="survey-report.json of `csstream evaluate survey`.")
    ],
    part: Annotated[str, typer.Option(help="Part whose completeness is taken.")] = "b",
    instrument: Annotated[str, typer.Option(help="Shipped instrument or TOML file.")] = "csst-i",
    stars: Annotated[int, typer.Option(help="Stars brighter than the limit.")] = 300_000,
    limit: Annotated[float, typer.Option(help="Magnitude of the faintest stars.")] = 25.0,
    span: Annotated[
        float, typer.Option(help="Days that the survey lasts, exposing all the time.")
    ] = 20.0,
    main_sequence: Annotated[
        float, typer.Option(help="Share of the stars that may have a hot Jupiter found.")
    ] = 0.87,
    hot_jupiters: Annotated[float, typer.Option(help="Share of these that have one.")] = 0.01,
    transiting: Annotated[float, typer.Option(help="Share of hot Jupiters that transit.")] = 0.03,
    binaries: Annotated[
        float, typer.Option(help="Share of the stars that are eclipsing binaries.")
    ] = 2098 / 200_000,
    longest_binary: Annotated[float, typer.Option(help="Their longest period in days.")] = 10.0,
    rr_lyrae: Annotated[float, typer.Option(help="Share of RR Lyrae stars.")] = 0.0039,
    cepheids: Annotated[float, typer.Option(help="Share of Cepheids.")] = 0.00033,
    measured_span: Annotated[
        float, typer.Option(help="Days of the series that the recall was measured on.")
    ] = 3.5,
    paper_snr: Annotated[
        float, typer.Option(help="A/σ₁ below which the paper's method finds nothing.")
    ] = 1.7,
    paper_accuracy: Annotated[
        float, typer.Option(help="Share that the paper's method classifies rightly above.")
    ] = 0.855,
    draws: Annotated[int, typer.Option(help="Stars drawn of each kind.")] = 4000,
    seed: Annotated[int, typer.Option(help="Of these draws.")] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="JSON file for all numbers.")
    ] = None,
) -> None:
    """Estimate how many variables a survey finds: the paper's § 5, measured completeness.

    Every assumption is an option; the defaults are the paper's. Beside the estimate stands what
    the paper's completeness gives for the same stars, and what the paper itself says.
    """
    import json

    import numpy as np

    from csstream.evaluate.survey_yield import Assumptions, estimate, lines
    from csstream.instruments.instrument import InstrumentError, load_instrument

    assumptions = Assumptions(
        stars=stars,
        limit=limit,
        span=span,
        main_sequence=main_sequence,
        hot_jupiters=hot_jupiters,
        transiting=transiting,
        binaries=binaries,
        longest_binary=longest_binary,
        rr_lyrae=rr_lyrae,
        cepheids=cepheids,
        measured_span=measured_span,
        paper_snr=paper_snr,
        paper_accuracy=paper_accuracy,
        draws=draws,
    )
    try:
        measured = json.loads(report.read_text(encoding="utf-8"))["parts"][part]
        telescope = load_instrument(instrument)
        result = estimate(measured, telescope, assumptions, np.random.default_rng(seed))
    except (OSError, ValueError, KeyError, TypeError, InstrumentError) as error:
        typer.echo(f"csstream evaluate yield: {report}, part {part}: {error}", err=True)
        raise typer.Exit(1) from error
    for line in lines(result):
        typer.echo(line)
    if output is not None:
        output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
