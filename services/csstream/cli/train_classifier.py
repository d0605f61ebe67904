"""``csstream train classifier``: make the light-curve classifier that ships."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from csstream.trainer.classifier_canvas import CanvasSource


SIMULATED = "simulated"


def classifier(
    out: Annotated[Path, typer.Option(help="Folder for data, checkpoint, ONNX file and card.")],
    panels: Annotated[
        int, typer.Option(min=20, help="Panels of at most 110 stars of each noise.")
    ] = 200,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            help="Where constant stars come from, each for so many panels: simulated, a folder of "
            "csstream evaluate survey, or a table of light curves; can be repeated."
        ),
    ] = None,
    ship: Annotated[
        str,
        typer.Option(help="better (by the test stars), network or trees: which one is exported."),
    ] = "better",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training set.")] = 25,
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Train the light-curve classifier on simulated variability with real or simulated noise.

    Trains a network and gradient-boosted trees and exports the better one. An interrupted run
    goes on with the rows that its folder holds.
    """
    from csstream.trainer.classifier_measured import NoiseError
    from csstream.trainer.classifier_store import DataMismatchError
    from csstream.trainer.classifier_training import (
        ClassifierSettings,
        TooFewRowsError,
        train_classifier,
    )

    if ship not in ("better", "network", "trees"):
        raise typer.BadParameter("must be better, network or trees", param_hint="--ship")
    wanted = noise or [SIMULATED]
    settings = ClassifierSettings(
        seed=seed, panels=panels, epochs=epochs, threads=threads, ship=ship
    )
    try:
        train_classifier(settings, [_source(name) for name in wanted], out, _say)
    except (NoiseError, DataMismatchError, TooFewRowsError) as error:
        raise typer.BadParameter(str(error)) from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _source(noise: str) -> CanvasSource:
    from csstream.trainer.classifier_measured import MeasuredNoise
    from csstream.trainer.classifier_noise import SimulatedNoise

    return SimulatedNoise() if noise == SIMULATED else MeasuredNoise.read([Path(noise)])
