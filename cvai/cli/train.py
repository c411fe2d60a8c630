"""``cvai train``: a model from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cvai.cli.options import Fold


def train(
    config: Annotated[Path, typer.Argument(help="Training configuration, such as configs/train/sax.toml.")],
    fold: Fold = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")] = False,
) -> None:
    """Train a model; an interrupted run continues from its last checkpoint.

    \b
    Example: cvai train configs/train/sax.toml
    Look at runs in the browser: mlflow ui --backend-store-uri sqlite:///runs/mlflow.db
    """
    from cvai.training.core.loop import train as run
    from cvai.training.core.loop import training_progress
    from cvai.training.tasks.registry import load_run

    with training_progress() as progress:
        checkpoint = run(load_run(config).of_fold(fold), resume=not fresh, progress=progress)
    typer.echo(checkpoint)
