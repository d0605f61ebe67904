"""``csstream detect``: one frame in, a catalogue of its stars out, without any Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from csstream.cli.measuring import (
    InstrumentName,
    MethodName,
    ProviderName,
    Threads,
    check_names,
    cores,
)
from csstream.imaging.errors import FrameError
from csstream.imaging.finding.strategies import Method
from csstream.inference.cards import InferenceError


def command(
    frame: Annotated[Path, typer.Argument(help="FITS frame.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Catalogue: .ecsv, .fits or .parquet.")
    ],
    instrument: InstrumentName = None,
    method: MethodName = "auto",
    provider: ProviderName = "cpu",
    plot: Annotated[Path | None, typer.Option(help="PNG of the frame with its stars.")] = None,
    threads: Threads = 0,
) -> None:
    """Measure all stars of one FITS frame."""
    from csstream.imaging.catalogue_io import FORMATS

    if output.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"{output}: the name must end in {', '.join(FORMATS)}")
    check_names(method, provider)
    try:
        _detect(frame, output, instrument, method, provider, plot, threads or cores())  # type: ignore[arg-type]
    except (FrameError, InferenceError, ValueError, OSError) as error:
        typer.echo(f"csstream detect: {error}", err=True)
        raise typer.Exit(1) from error


def _detect(
    path: Path,
    output: Path,
    name: str | None,
    method: Method,
    provider: Any,
    plot: Path | None,
    threads: int,
) -> None:
    from csstream.imaging.catalogue_io import write_catalogue
    from csstream.imaging.finding.strategies import choose_strategy
    from csstream.imaging.frames.fits_io import read_frame
    from csstream.imaging.measure import MeasureSettings, measure_frame
    from csstream.imaging.psf.profiles import psf_from_instrument

    instrument = _instrument(path, name)
    strategy, message = choose_strategy(instrument, method, provider=provider, threads=threads)
    if message:
        typer.echo(message, err=True)
    frame = read_frame(path, instrument, require_time=False)
    try:
        measured = measure_frame(
            frame,
            strategy,
            nominal_psf=psf_from_instrument(instrument),
            settings=MeasureSettings(threads=threads),
        )
    except FrameError as error:
        raise FrameError(error.reason, f"{path}: {error}") from error
    meta = {
        "frame": path.name,
        "instrume": instrument.name,
        "band": frame.band,
        "exptime": frame.exposure_time,
        "method": strategy.name,
        "model": strategy.model,
    }
    if frame.mjd_mid_tai == frame.mjd_mid_tai:
        meta["mjdtai"] = frame.mjd_mid_tai
    if frame.wcs is None:
        meta["position"] = "nominal"
        typer.echo("no celestial WCS: positions are nominal, from the pointing", err=True)
    write_catalogue(output, measured, meta)
    if plot is not None:
        from csstream.imaging.plots import plot_detections

        plot_detections(frame.image, measured.sources, plot, title=path.name)
    _summarise(measured, output)


def _instrument(path: Path, name: str | None) -> Any:
    """Load the named instrument, or the one shipped instrument whose INSTRUME the frame has."""
    from csstream.imaging.frames.fits_io import read_instrume
    from csstream.instruments.instrument import load_instrument, shipped_instruments

    if name is not None:
        return load_instrument(name)
    found = read_instrume(path)
    shipped = [load_instrument(known) for known in shipped_instruments()]
    fitting = [i for i in shipped if i.instrume.casefold() == found.casefold() and found]
    if len(fitting) != 1:
        names = ", ".join(i.name for i in shipped)
        raise ValueError(
            f"{path}: INSTRUME is {found!r}, which is not one shipped instrument's; "
            f"give --instrument (shipped: {names})"
        )
    return fitting[0]


def _summarise(measured: Any, output: Path) -> None:
    steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in measured.timings.items())
    typer.echo(
        f"{len(measured.sources)} stars to {output}; FWHM {measured.fwhm:.2f} pixel "
        f"({measured.psf_method} PSF), 5-sigma depth {measured.depth:.2f} mag, "
        f"{measured.saturated} saturated; seconds: {steps}"
    )
