"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file of settings, see configs/service.example.toml."),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Fold = Annotated[
    int,
    typer.Option(
        min=0,
        help="Fold of a cross-validation: its split ends in _foldN, and so does the run's folder. "
        "0 is the configuration itself.",
    ),
]
