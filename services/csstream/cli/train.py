"""``csstream train``: make the networks that ship."""

from __future__ import annotations

import sys
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
    from csstream.instruments.instrument import load_instrument
    from csstream.trainer.pnet_release import release_pnet
    from csstream.trainer.pnet_training import Trainer, TrainingSettings

    telescope = load_instrument(instrument)
    folder = out or Path("checkpoints") / (telescope.weights or f"pnet-{telescope.name}")
    if not export_only:
        settings = TrainingSettings(seed=seed, minutes=minutes, steps=steps, threads=threads)
        trainer = Trainer(telescope, settings, folder)
        if resume:
            trainer.resume()
        trainer.run(_report)
    _report("exporting and testing")
    card = release_pnet(folder, telescope)
    print(folder / f"{card.name}.onnx")


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
