"""``csstream evaluate classification``: light curves of three photometries, classified."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def classification(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for curves, verdicts, page and JSON.")
    ] = Path("classification"),
    arms: Annotated[
        str, typer.Option(help="Some of network, reference, fit, classical.")
    ] = "network,reference,classical",
    curves: Annotated[
        list[str] | None,
        typer.Option(help="ARM=FOLDER: curves that a survey run left; not measured here."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="ARM=FILE: classifier of one arm. Default: the one that ships."),
    ] = None,
    instrument: Annotated[str, typer.Option(help="Shipped instrument or TOML file.")] = "csst-i",
    seed: Annotated[int, typer.Option(help="900 to 999 to try out, 5000 to 5999 to report.")] = 950,
    size: Annotated[int, typer.Option(min=64, help="Side of a field in pixels.")] = 360,
    fields: Annotated[int, typer.Option(min=1, help="Fields.")] = 1,
    frames: Annotated[int, typer.Option(min=60, help="Frames of each field.")] = 1000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure.")] = 1,
) -> None:
    """Measure the same frames in several ways, classify the curves, and compare with the truth.

    Draws the paper's Figures 11 to 13. An interrupted run goes on where it stopped.
    """
    from csstream.evaluate import classification_stage as stage
    from csstream.evaluate.survey_plan import PlanError
    from csstream.inference.session import InferenceError

    changes: dict[str, Any] = {"instrument": instrument, "seed": seed, "size": size}
    changes |= {"fields": fields, "frames": frames}
    given = {arm: Path(folder) for arm, folder in _pairs(curves, "--curves").items()}
    chosen = dict.fromkeys(name.strip() for name in arms.split(",") if name.strip())
    unknown = [name for name in [*chosen, *given] if name not in stage.TITLES]
    if unknown or not chosen:
        raise typer.BadParameter(f"must be some of {', '.join(stage.TITLES)}", param_hint="--arms")
    try:
        _run(stage, changes, list(chosen), given, _pairs(weights, "--weights"), output, workers)
    except (PlanError, InferenceError, FileNotFoundError, ValueError) as error:
        typer.echo(f"csstream evaluate: {error}", err=True)
        raise typer.Exit(1) from error


def _run(
    stage: Any,
    changes: dict[str, Any],
    arms: list[str],
    given: dict[str, Path],
    weights: dict[str, str],
    output: Path,
    workers: int,
) -> None:
    from dataclasses import asdict, replace

    from csstream.cli.progress import progress_bar
    from csstream.evaluate.classification import lines
    from csstream.evaluate.classification_page import PAGE_NAME, write_outputs
    from csstream.evaluate.survey_plan import read_plan
    from csstream.inference.cards import find_weights, read_card

    plan = replace(stage.PLAN, **changes)
    missing = tuple(arm for arm in arms if arm not in given)
    with progress_bar("frames") as progress:
        made = stage.measure_arms(output, plan, missing, workers, progress)
    runs = {arm: given.get(arm) or made[arm] for arm in dict.fromkeys([*arms, *given])}
    stage.same_sky(runs)
    found = stage.examine_arms(output, runs, weights)
    card = read_card(find_weights(weights.get("reference", "classifier")))
    command = " ".join(["csstream", *sys.argv[1:]])
    used = asdict(read_plan(next(iter(runs.values()))))
    content = write_outputs(output, runs, found, card, command, used)
    for line in lines(content):
        typer.echo(line)
    typer.echo(f"{output / PAGE_NAME}")


def _pairs(values: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for value in values or []:
        arm, equals, path = value.partition("=")
        if not (arm and equals and path):
            raise typer.BadParameter(f"{value!r} is not ARM=PATH", param_hint=option)
        pairs[arm] = path
    return pairs
