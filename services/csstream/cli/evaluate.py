"""``csstream evaluate``: how good the measurements are, against known truth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Compare measurements with known truth.", no_args_is_help=True)

ARMS = ("network+fit", "network", "classical", "classical+fit")


@app.callback()
def _group() -> None:
    """Compare measurements with known truth."""


@app.command()
def detection(
    instrument: Annotated[str, typer.Option(help="Shipped instrument or TOML file.")] = "csst-i",
    mpx: Annotated[float, typer.Option(help="Megapixels of each kind of scene.")] = 1.0,
    size: Annotated[int, typer.Option(help="Side of a scene [pixel].")] = 1000,
    r80: Annotated[str, typer.Option(help="PSF widths [arcsec], with commas.")] = "",
    sky: Annotated[str, typer.Option(help="Skies [electron/s/pixel], with commas.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the skies.")] = 900,
    arms: Annotated[str, typer.Option(help=f"Of {', '.join(ARMS)}, with commas.")] = "",
    psf: Annotated[str, typer.Option(help="given, estimated or both.")] = "both",
    oracle: Annotated[bool, typer.Option(help="Fit from the truth, too.")] = True,
    resume: Annotated[bool, typer.Option(help="Keep the scenes already measured.")] = False,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for JSON, page and scenes.")
    ] = Path("evaluation"),
) -> None:
    """Measure simulated sky that no training has seen, and score it."""
    from csstream.evaluate.arms import service_arms
    from csstream.evaluate.detection import Plan
    from csstream.evaluate.measuring import ORACLES, PSFS

    telescope = _instrument(instrument)
    if psf not in ("given", "estimated", "both"):
        raise typer.BadParameter("must be given, estimated or both", param_hint="--psf")
    wanted = _names(arms) or list(ARMS)
    chosen = service_arms(_network(telescope) if _needs_network(wanted) else None)
    unknown = [name for name in wanted if name not in chosen]
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(unknown)}: not one of {', '.join(chosen)}", param_hint="--arms"
        )
    plan = Plan(
        instrument=telescope,
        seed=seed,
        mpx=mpx,
        size=size,
        widths=_numbers(r80, "--r80") or (None,),
        skies=_numbers(sky, "--sky") or (None,),
        psfs=PSFS if psf == "both" else (psf,),  # type: ignore[arg-type]
        oracles=ORACLES if oracle else {},
    )
    _run(plan, {name: chosen[name] for name in wanted}, output, resume)


def _run(plan: Any, arms: Any, output: Path, resume: bool) -> None:
    from csstream.cli.progress import progress_bar
    from csstream.evaluate.detection import measure_plan, summarise_plan, versions, write_json
    from csstream.evaluate.text import lines

    with progress_bar("scenes") as progress:
        files = measure_plan(plan, arms, output / "scenes", progress, resume=resume)
    summaries = summarise_plan(plan, files)
    for summary in summaries:
        facts = summary["conditions"]
        typer.echo(", ".join(f"{key} {value}" for key, value in facts.items() if value is not None))
        for line in lines(summary):
            typer.echo(line)
    command = " ".join(["csstream", *sys.argv[1:]])
    content = {"command": command, "versions": versions(), "kinds": summaries}
    write_json(output / "detection.json", content)


def _instrument(name: str) -> Any:
    from csstream.instruments.instrument import InstrumentError, load_instrument

    try:
        return load_instrument(name)
    except InstrumentError as error:
        raise typer.BadParameter(str(error), param_hint="--instrument") from error


def _needs_network(wanted: list[str]) -> bool:
    return any(name.startswith("network") for name in wanted)


def _network(telescope: Any) -> Any:
    from csstream.imaging.strategies import NoWeightsError, choose_strategy

    try:
        strategy, _ = choose_strategy(telescope, "pnet")
    except NoWeightsError as error:
        raise typer.BadParameter(str(error), param_hint="--instrument") from error
    return strategy


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _names(text))
    except ValueError as error:
        raise typer.BadParameter("must be numbers with commas", param_hint=option) from error
