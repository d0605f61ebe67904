"""``csstream evaluate``: how good the measurements are, against known truth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from csstream.cli.evaluate_classification import classification
from csstream.cli.evaluate_significance import significance
from csstream.cli.evaluate_survey import survey, survey_yield

app = typer.Typer(
    help="Compare measurements with known truth.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

app.command()(classification)
app.command()(significance)
app.command()(survey)
app.command("yield")(survey_yield)

ARMS = ("network+fit", "network", "classical", "classical+fit")


@app.callback()
def _group() -> None:
    """Compare measurements with known truth."""


@app.command()
def detection(
    instrument: Annotated[str, typer.Option(help="Shipped instrument or TOML file.")] = "csst-i",
    mpx: Annotated[float, typer.Option(help="Megapixels of each kind of scene.")] = 1.0,
    size: Annotated[int, typer.Option(help="Side of a scene in pixels.")] = 1000,
    width: Annotated[
        str,
        typer.Option(
            "--r80",
            "--width",
            help="R80 in arcsec (of a Moffat PSF its FWHM); several with commas. "
            "Default: the instrument's.",
        ),
    ] = "",
    sky: Annotated[
        str,
        typer.Option(
            help="Sky in electron/s/pixel; several with commas. Default: the instrument's."
        ),
    ] = "",
    density: Annotated[
        float | None, typer.Option(help="Stars per pixel. Default: typical.")
    ] = None,
    optics: Annotated[str, typer.Option(help="analytic; galsim varies over the field.")] = (
        "analytic"
    ),
    detector: Annotated[
        str, typer.Option(help="plain, or all: every effect of the detector.")
    ] = "plain",
    seed: Annotated[
        int,
        typer.Option(help="Seed of the skies; 900 to 999 to try out, 5000 to 5999 to report."),
    ] = 900,
    arms: Annotated[str, typer.Option(help=f"Some of {', '.join(ARMS)}. Default: all.")] = "",
    psf: Annotated[
        str, typer.Option(help="PSF of the fit: given (the true one), estimated or both.")
    ] = "both",
    oracle: Annotated[bool, typer.Option(help="Fit from the true stars, too.")] = True,
    realisations: Annotated[
        int, typer.Option(help="Exposures of one scene, for repeatability; 0: none.")
    ] = 0,
    frame: Annotated[Path | None, typer.Option(help="A FITS frame, not a simulation.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Its truth: x, y or ra, dec, and mag; .ecsv, .csv, .fits.")
    ] = None,
    limit: Annotated[
        float, typer.Option(help="With --frame: score stars brighter than it.")
    ] = 25.0,
    resume: Annotated[bool, typer.Option(help="Measure only what the folder lacks.")] = False,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for JSON, page and scenes.")
    ] = Path("evaluation"),
) -> None:
    """Measure sky that no training has seen, and score it against the truth.

    Simulated scenes, or one frame with its truth table. Leaves detection.json and evaluation.html.
    """
    import csstream.evaluate.output  # noqa: F401  what it lacks is to be said before, not after
    from csstream.evaluate.detection import Plan
    from csstream.evaluate.measuring import PSFS

    _one_of("--psf", psf, ("given", "estimated", "both"))
    _one_of("--optics", optics, ("analytic", "galsim"))
    _one_of("--detector", detector, ("plain", "all"))
    if (frame is None) != (truth is None):
        raise typer.BadParameter("--frame and --truth go together")
    telescope = _instrument(instrument)
    chosen, model = _arms(telescope, _names(arms) or list(ARMS))
    plan = Plan(
        instrument=telescope,
        seed=seed,
        mpx=mpx,
        size=size,
        widths=_numbers(width, "--r80") or (None,),
        skies=_numbers(sky, "--sky") or (None,),
        density=density,
        optics=optics,  # type: ignore[arg-type]
        all_effects=detector == "all",
        psfs=PSFS if psf == "both" else (psf,),  # type: ignore[arg-type]
        with_oracles=oracle,
        model=model,
    )
    if frame is not None and truth is not None:
        _frame(plan, chosen, model, frame, truth, limit, output)
    else:
        _simulated(plan, chosen, model, realisations, output, resume)


def _simulated(
    plan: Any, arms: Any, model: str, realisations: int, output: Path, resume: bool
) -> None:
    from csstream.evaluate.detection import summarise_plan
    from csstream.evaluate.repeated import summarise_repeated
    from csstream.evaluate.store import load
    from csstream.imaging.psf.pixel_psf import PsfError

    try:
        files, exposures = _measured(plan, arms, realisations, output / "scenes", resume)
    except PsfError as error:
        typer.echo(f"csstream evaluate: {error}", err=True)
        raise typer.Exit(1) from error
    repeated = summarise_repeated(plan.conditions[0], exposures) if exposures else None
    scenes = [[load(path) for path in files[kind.label]] for kind in plan.conditions]
    _finish(summarise_plan(plan, files), scenes, model, output, repeated)


def _measured(plan: Any, arms: Any, realisations: int, folder: Path, resume: bool) -> Any:
    """Return the files of the scenes by kind, and of the repeated exposures."""
    from csstream.cli.progress import progress_bar
    from csstream.evaluate.detection import measure_plan
    from csstream.evaluate.repeated import measure_repeatedly

    with progress_bar("scenes") as progress:
        files = measure_plan(plan, arms, folder, progress, resume=resume)
    if realisations == 0:
        return files, []
    with progress_bar("exposures") as progress:
        exposures = measure_repeatedly(
            plan.conditions[0],
            plan.seed,
            arms,
            realisations,
            folder,
            progress,
            resume=resume,
            model=plan.model,
        )
    return files, exposures


def _frame(
    plan: Any, arms: Any, model: str, frame: Path, truth: Path, limit: float, output: Path
) -> None:
    from csstream.evaluate.measuring import measure_scene, oracles_for
    from csstream.evaluate.real import TruthError, facts, read_scene
    from csstream.evaluate.summary import summarise
    from csstream.imaging.errors import FrameError

    try:
        scene = read_scene(frame, truth, plan.instrument)
        oracles = oracles_for(limit) if plan.with_oracles else {}
        result = measure_scene(scene, arms, psfs=plan.psfs, oracles=oracles)
    except (FrameError, TruthError, OSError) as error:
        typer.echo(f"csstream evaluate: {error}", err=True)
        raise typer.Exit(1) from error
    kind = {"conditions": facts(scene, limit)} | summarise([result], limit)
    _finish([kind], [[result]], model, output, None)


def _finish(kinds: Any, scenes: Any, model: str, output: Path, repeated: Any) -> None:
    from csstream.evaluate.output import JSON_NAME, PAGE_NAME, write_outputs
    from csstream.evaluate.text import all_lines

    command = " ".join(["csstream", *sys.argv[1:]])
    content = write_outputs(
        output, kinds, scenes, command=command, model=model, repeatability=repeated
    )
    for line in all_lines(content):
        typer.echo(line)
    typer.echo(f"{output / PAGE_NAME}, {output / JSON_NAME}")


def _arms(telescope: Any, wanted: list[str]) -> tuple[dict[str, Any], str]:
    """Return the arms asked for, and the network's name and hash."""
    from csstream.evaluate.arms import service_arms
    from csstream.imaging.finding.strategies import NoWeightsError, choose_strategy

    network = None
    if any(name.startswith("network") for name in wanted):
        try:
            network, _ = choose_strategy(telescope, "pnet")
        except NoWeightsError as error:
            raise typer.BadParameter(str(error), param_hint="--instrument") from error
    known = service_arms(network)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        message = f"{', '.join(unknown)}: not one of {', '.join(ARMS)}"
        raise typer.BadParameter(message, param_hint="--arms")
    return {name: known[name] for name in wanted}, "" if network is None else network.model


def _instrument(name: str) -> Any:
    from csstream.instruments.instrument import InstrumentError, load_instrument

    try:
        return load_instrument(name)
    except InstrumentError as error:
        raise typer.BadParameter(str(error), param_hint="--instrument") from error


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise typer.BadParameter(f"must be one of {', '.join(known)}", param_hint=option)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _names(text))
    except ValueError as error:
        raise typer.BadParameter("must be numbers with commas", param_hint=option) from error
