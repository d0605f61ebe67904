"""``csstream train``: make the networks that ship."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train the networks.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Train the networks."""


@app.command()
def pnet(
    instrument: Annotated[str, typer.Option(help="Name of an instrument, or its TOML file.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint.")],
    minutes: Annotated[float, typer.Option(help="Length of the run.")] = 60.0,
    steps: Annotated[int, typer.Option(help="Length in steps instead: reproducible.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of weights and skies.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on from the folder's checkpoint.")] = False,
) -> None:
    """Train PNet for an instrument on simulated skies."""
    from csstream.instruments.instrument import load_instrument
    from csstream.trainer.pnet_training import Trainer, TrainingSettings

    settings = TrainingSettings(seed=seed, minutes=minutes, steps=steps, threads=threads)
    trainer = Trainer(load_instrument(instrument), settings, out)
    if resume:
        trainer.resume()
    trainer.run(lambda line: print(line, file=sys.stderr, flush=True))
