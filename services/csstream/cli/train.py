"""``csstream train``: make the networks that ship."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from csstream.cli.train_classifier import classifier

app = typer.Typer(help="Train the networks.", no_args_is_help=True)
app.command()(classifier)


@app.callback()
def _group() -> None:
    """Train the networks. Needs the train extra."""


@app.command()
def pnet(
    instrument: Annotated[str, typer.Option(help="Name of an instrument, or its TOML file.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; checkpoints/<weights name>.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Length of the run.")] = 60.0,
    steps: Annotated[int, typer.Option(help="Length in steps instead: reproducible.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of weights and skies.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on from the folder's checkpoint.")] = False,
    export_only: Annotated[
        bool, typer.Option("--export-only", help="Train nothing; export the checkpoint.")
    ] = False,
) -> None:
    """Train PNet for an instrument on simulated skies, export and test it.

    The folder then holds the checkpoint, the ONNX file and its model card. A GPU is used where
    torch finds one.
    """
    from csstream.instruments.instrument import InstrumentError, load_instrument

    try:
        telescope = load_instrument(instrument)
    except InstrumentError as error:
        raise typer.BadParameter(str(error), param_hint="--instrument") from error
    folder = out or Path("checkpoints") / (Path(telescope.weights).stem or f"pnet-{telescope.name}")
    if (resume or export_only) and not (folder / "checkpoint.pt").is_file():
        raise typer.BadParameter(
            f"{folder} holds no checkpoint.pt to go on from", param_hint="--out"
        )
    _need_torch()
    from csstream.trainer.pnet_release import release_pnet
    from csstream.trainer.pnet_settings import settings_for
    from csstream.trainer.pnet_training import Trainer

    if not export_only:
        settings = settings_for(telescope, seed=seed, minutes=minutes, steps=steps, threads=threads)
        trainer = Trainer(telescope, settings, folder)
        if resume:
            trainer.resume()
        trainer.run(_report)
    _report("exporting and testing")
    card = release_pnet(folder, telescope)
    print(folder / f"{card.name}.onnx")


def _need_torch() -> None:
    if find_spec("torch") is None or find_spec("onnx") is None:
        _report("training needs torch and onnx: install csstream with the train extra")
        raise typer.Exit(2)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
