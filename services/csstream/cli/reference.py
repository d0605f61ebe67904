"""``csstream reference``: make, look at, compare and measure the fixed list of a field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from csstream.cli.measuring import (
    InstrumentName,
    MethodName,
    ProviderName,
    Threads,
    check_names,
    cores,
)
from csstream.cli.progress import progress_bar

if TYPE_CHECKING:
    from csstream.imaging.reference.catalogue import ReferenceCatalogue

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help=(
        "Make, look at and compare the fixed list of a field's stars.\n\n"
        "With one list for all frames nobody's flux jumps when a neighbour is missed in one of "
        "them. Build it from the first good frames of a field, and give it to `csstream publish "
        "--reference` or `csstream run --reference`."
    ),
)


@app.command()
def build(
    frames: Annotated[
        list[Path],
        typer.Argument(help="FITS frames of one field, band and detector; one is enough."),
    ],
    output: Annotated[
        list[Path],
        typer.Option(
            "-o",
            "--output",
            help="The list: .parquet for the services. May be repeated: .fits or .ecsv for "
            "TOPCAT and astropy.",
        ),
    ],
    most: Annotated[
        int,
        typer.Option(min=1, help="Of more frames than this, those with the best seeing and sky."),
    ] = 30,
    previous: Annotated[
        Path | None,
        typer.Option(
            help="An older list (.parquet) of the field: its stars keep their ids, and a table of "
            "old, new and lost stars is written beside the new list."
        ),
    ] = None,
    instrument: InstrumentName = None,
    method: MethodName = "auto",
    provider: ProviderName = "cpu",
    threads: Threads = 0,
) -> None:
    """Build a reference catalogue from frames.

    Every frame is measured, the finds are averaged on one plane and one zero point, and the stack
    of the better frames completes the list. It takes about as long as detecting each frame once,
    and holds one frame at a time. Ten to twenty frames are a good list; of a long series the best
    are taken. A frame that cannot be used is named and left out.

    Example:  csstream reference build frames/*.fits -o field.parquet -o field.fits
    """
    from csstream.imaging.reference.files import SUFFIXES

    for path in output:
        if path.suffix.lower() not in SUFFIXES:
            raise typer.BadParameter(f"{path}: the name must end in {', '.join(SUFFIXES)}")
    check_names(method, provider)
    older = None if previous is None else _read(previous)
    telescope = _instrument(frames, instrument)
    found = _build(frames, telescope, method, provider, threads or cores(), most, older)
    _write(output, found)
    for line in _summary(found):
        typer.echo(line)
    if older is not None:
        table = output[0].with_name(f"{output[0].stem}-match.ecsv")
        _match(older, found, table)


@app.command()
def measure(
    reference: Annotated[Path, typer.Argument(help="A reference catalogue, .parquet.")],
    frames: Annotated[list[Path], typer.Argument(help="FITS frames of its field and band.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Light curves, .parquet: a row per measurement.")
    ],
    instrument: Annotated[
        str | None,
        typer.Option(help="Name of a shipped instrument, or a TOML file. Default: the list's."),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Measure a list's stars in many frames: light curves, without any Kafka.

    Every star of the list that lies on a frame gets a flux, seen or not, at the list's zero point.
    `csstream examine` reads the result.
    """
    if output.suffix.lower() != ".parquet":
        raise typer.BadParameter(f"{output}: the name must end in .parquet")
    found = _read(reference)
    telescope = _instrument(frames, instrument or found.instrument)
    rows = _series(frames, telescope, found, output, threads or cores())
    typer.echo(f"{rows} measurements of {len(found.stars)} stars: {output}")


@app.command()
def match(
    old: Annotated[Path, typer.Argument(help="The older list, .parquet.")],
    new: Annotated[Path, typer.Argument(help="The newer list, .parquet.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The table: .ecsv, .csv or .fits.")
    ],
) -> None:
    """Tell which star of an older list is which of a newer one.

    Columns: old_id (0: a new star), new_id (0: a lost star), separation in arcsec, and status:
    same, renamed, new or lost. Stars are paired by position, within half a FWHM.
    """
    if output.suffix.lower() not in (".ecsv", ".csv", ".fits"):
        raise typer.BadParameter(f"{output}: the name must end in .ecsv, .csv, .fits")
    _match(_read(old), _read(new), output)


@app.command()
def show(
    reference: Annotated[Path, typer.Argument(help="A reference catalogue, .parquet.")],
    plot: Annotated[
        Path | None, typer.Option(help="PNG of the list: its stars, depth and precision.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="The list for other tools: .fits or .ecsv.")
    ] = None,
) -> None:
    """Print what a reference catalogue holds: stars by magnitude, calibrators, area, depth."""
    found = _read(reference)
    for line in _summary(found):
        typer.echo(line)
    if plot is not None:
        from csstream.imaging.reference.plots import plot_reference

        plot_reference(found, plot)
    if export is not None:
        _write([export], found)


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"csstream reference: {error}", err=True)
    raise typer.Exit(1) from error


def _read(path: Path) -> ReferenceCatalogue:
    from csstream.imaging.reference.checks import CatalogueError
    from csstream.imaging.reference.files import read_reference

    try:
        return read_reference(path)
    except CatalogueError as error:
        _fail(error)


def _write(paths: list[Path], catalogue: ReferenceCatalogue) -> None:
    from csstream.imaging.reference.files import write_reference

    for path in paths:
        try:
            write_reference(path, catalogue)
        except (OSError, ValueError) as error:
            _fail(error)


def _instrument(frames: list[Path], name: str | None) -> Any:
    """Load the named instrument, or that of the first frame that says which it is of."""
    from csstream.cli.detect import _instrument as of_frame
    from csstream.imaging.errors import FrameError

    last: Exception = ValueError("no frame was given")
    for path in frames[:1] if name is not None else frames:
        try:
            return of_frame(path, name)
        except (FrameError, ValueError, OSError) as error:
            last = error
    _fail(last)


def _build(
    paths: list[Path],
    instrument: Any,
    method: Any,
    provider: Any,
    threads: int,
    most: int,
    previous: ReferenceCatalogue | None,
) -> ReferenceCatalogue:
    from csstream.imaging.errors import FrameError
    from csstream.imaging.finding.strategies import choose_strategy
    from csstream.imaging.measure_settings import MeasureSettings
    from csstream.imaging.psf.profiles import psf_from_instrument
    from csstream.imaging.reference.build import build_reference
    from csstream.imaging.reference.build_settings import BuildSettings
    from csstream.imaging.reference.frame_files import FrameFiles
    from csstream.imaging.reference.identity import TooManyStarsError
    from csstream.inference.cards import InferenceError

    try:
        strategy, message = choose_strategy(instrument, method, provider=provider, threads=threads)
        if message:
            typer.echo(message, err=True)
        nominal = psf_from_instrument(instrument)
        with progress_bar("frames") as update:
            return build_reference(
                FrameFiles(paths, instrument),
                strategy,
                nominal_psf=nominal,
                settings=BuildSettings(measure=MeasureSettings(threads=threads), most_frames=most),
                previous=previous,
                progress=update,
                skip=lambda text: typer.echo(text, err=True),
            )
    except (FrameError, InferenceError, TooManyStarsError, ValueError) as error:
        _fail(error)


def _series(
    paths: list[Path], instrument: Any, found: ReferenceCatalogue, output: Path, threads: int
) -> int:
    from csstream.imaging.measure_settings import MeasureSettings
    from csstream.imaging.psf.profiles import psf_from_instrument
    from csstream.imaging.reference.frame_files import FrameFiles
    from csstream.imaging.reference.series import measure_series, write_series

    try:
        with progress_bar("frames") as update:
            epochs = measure_series(
                FrameFiles(paths, instrument),
                found,
                nominal_psf=psf_from_instrument(instrument),
                settings=MeasureSettings(threads=threads),
                progress=update,
                skip=lambda text: typer.echo(text, err=True),
            )
            return write_series(output, epochs)
    except OSError as error:
        _fail(error)


def _summary(catalogue: ReferenceCatalogue) -> list[str]:
    from csstream.imaging.reference.summary import summary_lines

    return summary_lines(catalogue)


def _match(old: ReferenceCatalogue, new: ReferenceCatalogue, path: Path) -> None:
    from csstream.imaging.reference.identity import cross_match
    from csstream.imaging.reference.naming import SAME_STAR_FWHM, pixel_arcsec
    from csstream.imaging.reference.summary import match_counts, match_table

    found = cross_match(old, new, SAME_STAR_FWHM * new.fwhm * pixel_arcsec(new.wcs))
    try:
        match_table(old, new, found).write(path, overwrite=True)
    except OSError as error:
        _fail(error)
    typer.echo(f"{match_counts(found)}; table: {path}")
