"""``csstream bound``: the smallest errors that the photons of a scene allow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    instrument: Annotated[str, typer.Option(help="Shipped instrument or TOML file.")] = "csst-i",
    width: Annotated[
        float | None,
        typer.Option(
            "--r80",
            "--width",
            help="R80 in arcsec (of a Moffat PSF its FWHM). Default: the instrument's.",
        ),
    ] = None,
    sky: Annotated[
        float | None, typer.Option(help="Sky in electron/s/pixel. Default: the instrument's.")
    ] = None,
    density: Annotated[
        float | None, typer.Option(help="Stars per pixel. Default: typical.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the scene in pixels.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the scene.")] = 900,
    frame: Annotated[Path | None, typer.Option(help="A FITS frame, not a simulation.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Its truth: x, y or ra, dec, and mag; .ecsv, .csv, .fits.")
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(
            help="Stars brighter than it are counted and summed up. Default: 25 for csst-i."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Bound per star: .ecsv, .csv or .fits.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="The printed table: .ecsv, .csv or .fits.")
    ] = None,
) -> None:
    """Compute the joint Cramér–Rao bound of all stars of a scene, positions free."""
    from csstream.evaluate.bound import FORMATS, lines, write_magnitudes, write_stars
    from csstream.evaluate.real import TruthError, read_scene
    from csstream.evaluate.scenes import Conditions, simulate_scene
    from csstream.imaging.errors import FrameError
    from csstream.imaging.psf.pixel_psf import PsfError
    from csstream.instruments.instrument import InstrumentError, load_instrument

    for path in (output, table):
        if path is not None and path.suffix.lower() not in FORMATS:
            raise typer.BadParameter(f"{path}: the name must end in {', '.join(FORMATS)}")
    if (frame is None) != (truth is None):
        raise typer.BadParameter("--frame and --truth go together")
    try:
        telescope = load_instrument(instrument)
        kind = Conditions(
            instrument=telescope, width_arcsec=width, sky=sky, density=density, size=size, jitter=0
        )
        if frame is not None and truth is not None:
            scene = read_scene(frame, truth, telescope)
        else:
            scene = simulate_scene(kind, seed)
    except (InstrumentError, FrameError, TruthError, PsfError, OSError) as error:
        typer.echo(f"csstream bound: {error}", err=True)
        raise typer.Exit(1) from error
    for line in lines(scene, kind.limit if limit is None else limit):
        typer.echo(line)
    if output is not None:
        write_stars(output, scene)
    if table is not None:
        write_magnitudes(table, scene)
