"""``cvai export``: a trained run becomes a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cvai.cli.options import Fold


def export(
    config: Annotated[Path, typer.Argument(help="Configuration of the run.")],
    folder: Annotated[
        Path | None, typer.Option("--to", help="Model folder; models/<name> by default.")
    ] = None,
    fold: Fold = 0,
) -> None:
    """Write the run's network as ONNX with its card, after checking that both compute the same.

    \b
    Example: cvai export configs/train/sax.toml
    """
    from cvai.training.core.export import export as write_model
    from cvai.training.tasks.registry import load_run

    run = load_run(config).of_fold(fold)
    typer.echo(write_model(run, folder or Path("models") / run.config.name))
