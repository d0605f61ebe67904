"""``csstream simulate``: a telescope without a sky."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from csstream.cli.scenes import Optics, parse_shape, scene_settings

app = typer.Typer(
    help="Simulate what a telescope would see.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class PsfExtension(StrEnum):
    """Which PSF a frame's extension tells."""

    nominal = "nominal"
    true = "true"
    none = "none"


class Mix(StrEnum):
    """Which variables a survey's field has."""

    enriched = "enriched"
    paper = "paper"


class Periods(StrEnum):
    """Law of the eclipsing binaries' periods."""

    paper = "paper"
    searchable = "searchable"


@app.callback()
def group() -> None:
    """Simulate what a telescope would see."""


@app.command()
def frames(
    out: Annotated[Path, typer.Option("-o", "--out", help="Directory for frames and tables.")],
    instrument: Annotated[
        str, typer.Option(help="Name of a shipped instrument, or a TOML file.")
    ] = "csst-i",
    frames: Annotated[int, typer.Option(min=1, help="Independent scenes.")] = 1,
    shape: Annotated[
        str, typer.Option(help="Frame size in pixels: side, or width x height as 512x256.")
    ] = "512",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 1,
    noise_realisations: Annotated[
        int, typer.Option(min=1, help="Exposures of every scene: same stars, other noise.")
    ] = 1,
    pin: Annotated[
        bool,
        typer.Option(
            "--pin",
            help="The pinned scene: nominal density, PSF and sky, analytic PSF without jitter, "
            "no effects but noise and saturation. Other options still apply.",
        ),
    ] = False,
    density: Annotated[
        str | None,
        typer.Option(help="Stars per pixel, or LOW:HIGH. Default: 0.3 to 1.1 × typical."),
    ] = None,
    r80: Annotated[
        str | None,
        typer.Option(
            help="Radius of 80 % of the light in arcsec, or LOW:HIGH; of a Moffat PSF its FWHM. "
            "Default: the instrument's range, 0.11:0.15 for csst-i."
        ),
    ] = None,
    sky: Annotated[
        str | None,
        typer.Option(help="Sky in electron/s/pixel, or LOW:HIGH. Default: 0.4 to 1.12 × nominal."),
    ] = None,
    mag_range: Annotated[
        str | None,
        typer.Option(help="Magnitudes, BRIGHT:FAINT. Default: 16:26 for csst-i."),
    ] = None,
    optics: Annotated[
        Optics | None,
        typer.Option(
            help="galsim: aberrations that vary over the frame; analytic: one PSF everywhere. "
            "Default: galsim for a diffraction-limited telescope."
        ),
    ] = None,
    jitter: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=0.1, help="RMS of the PSF's width and shape per frame. Default: 0.01."
        ),
    ] = None,
    effects: Annotated[
        bool | None,
        typer.Option(
            "--effects/--no-effects",
            help="Cosmic rays, bleeding, bad pixels and columns, sky gradient. "
            "Default: on, with --pin off.",
        ),
    ] = None,
    psf_extension: Annotated[
        PsfExtension, typer.Option(help="PSF that the frames tell.")
    ] = PsfExtension.nominal,
    mask: Annotated[
        bool, typer.Option("--mask/--no-mask", help="Tell known bad pixels in an extension MASK.")
    ] = True,
    compress: Annotated[bool, typer.Option(help="RICE-compress the image.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Draw independent dense fields to train and test on; write FITS frames and their truth.

    Every scene has its own stars, density, PSF and sky. Writes NAME.fits.fz and NAME.truth.ecsv
    (every star, those beyond the edge too) per scene, and frames.ecsv (what is true of each file).
    """
    from csstream.cli.progress import progress_bar
    from csstream.instruments.instrument import InstrumentError, load_instrument
    from csstream.simulation.frame_series import FramesSettings, simulate_frames

    try:
        wanted = {"density": density, "width_arcsec": r80, "sky": sky, "magnitudes": mag_range}
        scene = scene_settings(
            load_instrument(instrument), shape, pin, wanted, optics, jitter, effects
        )
        settings = FramesSettings(
            scene=scene,
            frames=frames,
            realisations=noise_realisations,
            seed=seed,
            psf_extension=psf_extension.value,
            mask=mask,
            compress=compress,
        )
        with progress_bar("exposing", quiet=quiet) as update:
            result = simulate_frames(settings, out, update)
    except (ValueError, InstrumentError) as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"{len(result.files)} frames in {out}; what is true of them in {result.table}")


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
    mix: Annotated[
        Mix,
        typer.Option(
            help="enriched: the numbers above, bright and repeating in the span; paper: 1 % "
            "binaries, 1 % planets and 0.02 % pulsators among the field's own stars."
        ),
    ] = Mix.enriched,
    periods: Annotated[
        Periods,
        typer.Option(help="Binaries of --mix paper: the paper's law, or cut to half the span."),
    ] = Periods.paper,
    span_days: Annotated[
        float | None, typer.Option(min=0.0, help="Days between first and last exposure.")
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds between exposures, if --span-days is not given."),
    ] = None,
    detectors: Annotated[int, typer.Option(min=1, help="Detectors side by side.")] = 1,
    dither: Annotated[float, typer.Option(min=0.0, help="Largest shift in pixels.")] = 3.0,
    optics: Annotated[
        Optics,
        typer.Option(help="galsim: aberrations that vary over the field; analytic: one PSF."),
    ] = Optics.analytic,
    psf_jitter: Annotated[
        float, typer.Option(min=0.0, max=0.1, help="RMS of the PSF's width per frame.")
    ] = 0.003,
    shape_jitter: Annotated[
        float, typer.Option(min=0.0, max=0.1, help="RMS of the PSF's ellipticity per frame.")
    ] = 0.0,
    effects: Annotated[
        bool,
        typer.Option(
            "--effects/--no-effects",
            help="Cosmic rays, bleeding, bad pixels and columns, sky gradient.",
        ),
    ] = False,
    orbit: Annotated[
        bool,
        typer.Option(
            "--orbit/--no-orbit",
            help="A low orbit: gaps in each revolution, sky and PSF width that follow it.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 1,
    compress: Annotated[bool, typer.Option(help="RICE-compress the image.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Expose a seeded dense field with variables; write FITS frames and truth tables.

    Writes FRAME.fits.fz files, truth.ecsv (every star) and frames.ecsv (every frame) to --out.
    """
    from csstream.cli.progress import progress_bar
    from csstream.instruments.instrument import InstrumentError, load_instrument
    from csstream.simulation.detector import ALL_EFFECTS, PLAIN
    from csstream.simulation.epochs import LOW_ORBIT
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
                mix=mix.value,
                periods=periods.value,
            ),
            frames=frames,
            interval=interval,
            dither=dither,
            optics=optics.value,
            psf_jitter=psf_jitter,
            shape_jitter=shape_jitter,
            effects=ALL_EFFECTS if effects else PLAIN,
            detectors=detectors,
            orbit=LOW_ORBIT if orbit else None,
            seed=seed,
            compress=compress,
        )
        with progress_bar("exposing", quiet=quiet) as update:
            result = simulate_survey(settings, out, update)
    except (ValueError, InstrumentError) as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"{len(result.files)} frames in {out}; truth in {result.truth}")
