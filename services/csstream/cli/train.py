"""``csstream train``: make the networks that ship."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csstream.cli.train_classifier import classifier

if TYPE_CHECKING:
    from csstream.instruments.instrument import Instrument

app = typer.Typer(
    help="Train the networks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command()(classifier)


@app.callback()
def _group() -> None:
    """Train the networks. Needs the train extra."""


@app.command()
def pnet(
    instrument: Annotated[str, typer.Option(help="Name of an instrument, or its TOML file.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run.", show_default="checkpoints/pnet-<instrument>"),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="Length of the run; all of it, if it is resumed.")
    ] = 60.0,
    steps: Annotated[
        int, typer.Option(min=0, help="Length in steps instead: the same seed, the same network.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and skies.")] = 1,
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads. With two or more the sky is drawn ahead.")
    ] = 1,
    batch: Annotated[
        int, typer.Option(min=1, help="Stamps of 160 pixels a step; a GPU takes 32 or more.")
    ] = 4,
    channels: Annotated[int, typer.Option(min=4, help="Width of the network.")] = 32,
    blocks: Annotated[
        int, typer.Option(min=1, help="Depth of the network; its reach is 4 pixels each.")
    ] = 5,
    validate_every: Annotated[
        float, typer.Option(min=0.05, help="Minutes from one validation to the next.")
    ] = 4.0,
    resume: Annotated[bool, typer.Option(help="Go on from the folder's checkpoint.")] = False,
    export_only: Annotated[
        bool, typer.Option("--export-only", help="Train nothing; export what is there.")
    ] = False,
) -> None:
    """Train PNet for an instrument on simulated skies, export and test it.

    No data are needed: the instrument file says what the telescope's frames look like. A GPU is
    used where torch finds one. The folder then holds checkpoint.pt (where --resume goes on),
    best.pt (the best by validation), pnet-<instrument>.onnx made of it, and its model card.

    One hour on one core is enough to beat threshold and deblending:

        csstream train pnet --instrument my-camera.toml --minutes 50

    Then write what is printed last into the instrument file, as its weights.
    """
    telescope = _instrument(instrument)
    folder = out or Path("checkpoints") / _weights_name(telescope)
    if (resume or export_only) and not (folder / "checkpoint.pt").is_file():
        raise typer.BadParameter(
            f"{folder} holds no checkpoint.pt to go on from", param_hint="--out"
        )
    _need_torch()
    if not export_only:
        wanted = {
            "seed": seed,
            "minutes": minutes,
            "steps": steps,
            "threads": threads,
            "batch": batch,
            "channels": channels,
            "blocks": blocks,
            "validate_minutes": validate_every,
        }
        _train(telescope, folder, resume, wanted)
    _release(telescope, folder, instrument)


def _train(telescope: Instrument, folder: Path, resume: bool, wanted: dict[str, Any]) -> None:
    from csstream.trainer.pnet_settings import settings_for
    from csstream.trainer.pnet_training import Trainer, saved_settings

    if resume:  # the network, its seed and its batch are what they were
        wanted = wanted | saved_settings(folder)
    trainer = Trainer(telescope, settings_for(telescope, **wanted), folder)
    if resume:
        try:
            trainer.resume()
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--resume") from error
    _report(f"training {_weights_name(telescope)} on {trainer.device_name} in {folder}")
    trainer.run(_report)


def _release(telescope: Instrument, folder: Path, instrument: str) -> None:
    from csstream.trainer.pnet_release import release_pnet

    _report("exporting, calibrating and testing")
    card = release_pnet(folder, telescope)
    weights = folder / f"{card.name}.onnx"
    _report(f"largest difference from the trained network: {card.values['parity']:.1g}")
    if not telescope.weights:
        beside = os.path.relpath(weights.resolve(), Path(instrument).resolve().parent)
        _report(f'write into {instrument}: weights = "{beside}"')
    print(weights)


def _instrument(name: str) -> Instrument:
    from csstream.instruments.instrument import InstrumentError, load_instrument

    try:
        return load_instrument(name)
    except InstrumentError as error:
        raise typer.BadParameter(str(error), param_hint="--instrument") from error


def _weights_name(telescope: Instrument) -> str:
    return Path(telescope.weights).stem or f"pnet-{telescope.name}"


def _need_torch() -> None:
    if find_spec("torch") is None or find_spec("onnx") is None:
        _report(
            "training needs torch and onnx, the train extra: make install-train, or csstream[train]"
        )
        raise typer.Exit(2)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
