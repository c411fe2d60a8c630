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
    from cvai.training.core.config import load_config, of_fold
    from cvai.training.core.export import export as run

    loaded = of_fold(load_config(config), fold)
    typer.echo(run(loaded, folder or Path("models") / loaded.name))
