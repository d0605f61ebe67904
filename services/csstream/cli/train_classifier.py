"""``csstream train classifier``: make the light-curve classifier that ships."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def classifier(
    out: Annotated[Path, typer.Option(help="Folder for data, checkpoint, ONNX file and card.")],
    panels: Annotated[int, typer.Option(min=20, help="Simulated panels of 110 stars.")] = 200,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training set.")] = 30,
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Train the light-curve classifier on simulated curves.

    A folder that holds a training set already is trained on that one.
    """
    from csstream.trainer.classifier_training import ClassifierSettings, train_classifier

    settings = ClassifierSettings(seed=seed, panels=panels, epochs=epochs, threads=threads)
    train_classifier(settings, out, lambda line: print(line, file=sys.stderr, flush=True))
