"""``csstream train classifier``: make the light-curve classifier that ships."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from csstream.trainer.classifier_canvas import CanvasSource


def classifier(
    out: Annotated[Path, typer.Option(help="Folder for data, checkpoint, ONNX file and card.")],
    panels: Annotated[int, typer.Option(min=20, help="Panels of at most 110 stars.")] = 300,
    noise: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of measured curves of constant stars, or a folder of them; can be "
            "repeated. Default: simulated noise."
        ),
    ] = None,
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

    settings = ClassifierSettings(seed=seed, panels=panels, epochs=epochs, threads=threads)
    try:
        train_classifier(settings, _source(noise or []), out, _say)
    except (NoiseError, DataMismatchError, TooFewRowsError) as error:
        raise typer.BadParameter(str(error)) from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _source(noise: list[Path]) -> CanvasSource:
    from csstream.trainer.classifier_measured import MeasuredNoise
    from csstream.trainer.classifier_noise import SimulatedNoise

    return MeasuredNoise.read(noise) if noise else SimulatedNoise()
