"""``csstream simulate``: a telescope without a sky."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Simulate what a telescope would see.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Simulate what a telescope would see."""


@app.command()
def survey(
    out: Annotated[Path, typer.Option("-o", "--out", help="Directory for frames and tables.")],
    instrument: Annotated[
        str, typer.Option(help="Name of a shipped instrument, or a TOML file.")
    ] = "csst-i",
    shape: Annotated[
        str, typer.Option(help="Frame size in pixels: side, or width x height as 512x256.")
    ] = "512",
    frames: Annotated[int, typer.Option(min=1, help="Exposures per detector.")] = 150,
    density: Annotated[float, typer.Option(min=0.0, help="Stars per pixel.")] = 0.0253,
    mag_range: Annotated[
        tuple[float, float], typer.Option(help="Brightest and faintest magnitude.")
    ] = (18.0, 26.0),
    transits: Annotated[int, typer.Option(min=0, help="Transiting planets.")] = 4,
    eclipsing: Annotated[int, typer.Option(min=0, help="Eclipsing binaries.")] = 4,
    pulsators: Annotated[int, typer.Option(min=0, help="Pulsating stars.")] = 4,
    span_days: Annotated[
        float | None, typer.Option(min=0.0, help="Days between first and last exposure.")
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds between exposures, if --span-days is not given."),
    ] = None,
    detectors: Annotated[int, typer.Option(min=1, help="Detectors side by side.")] = 1,
    dither: Annotated[float, typer.Option(min=0.0, help="Largest shift in pixels.")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 1,
    compress: Annotated[bool, typer.Option(help="RICE-compress the image.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Expose a seeded dense field with variables; write FITS frames and truth tables.

    Writes FRAME.fits.fz files, truth.ecsv (every star) and frames.ecsv (every frame) to --out.
    """
    from csstream.cli.progress import progress_bar
    from csstream.instruments.instrument import InstrumentError, load_instrument
    from csstream.simulation.field import FieldSettings
    from csstream.simulation.survey import SurveySettings, simulate_survey

    try:
        telescope = load_instrument(instrument)
        if span_days is not None:
            interval = span_days * 86400.0 / max(frames - 1, 1)
        settings = SurveySettings(
            instrument=telescope,
            field=FieldSettings(
                shape=parse_shape(shape),
                density=density,
                mag_bright=mag_range[0],
                mag_faint=mag_range[1],
                transits=transits,
                eclipsing=eclipsing,
                pulsators=pulsators,
            ),
            frames=frames,
            interval=interval,
            dither=dither,
            detectors=detectors,
            seed=seed,
            compress=compress,
        )
        with progress_bar("exposing", quiet=quiet) as update:
            result = simulate_survey(settings, out, update)
    except (ValueError, InstrumentError) as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"{len(result.files)} frames in {out}; truth in {result.truth}")


def parse_shape(text: str) -> tuple[int, int]:
    """Return (ny, nx) of ``"512"`` or ``"width x height"``; ValueError for anything else."""
    sides = text.lower().replace(" ", "").split("x")
    if len(sides) not in (1, 2) or not all(side.isdigit() and int(side) >= 32 for side in sides):
        raise ValueError(f"shape must be a side or WIDTHxHEIGHT of at least 32 pixels, not {text}")
    return int(sides[-1]), int(sides[0])
