"""``cvai doctor``: is everything there that the service needs?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli.serve import Config
from cvai.engine.doctor import Check, examine
from cvai.settings import load_settings


def doctor(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at disk, database, model, archive and clock.

    Exit status: 0 all is well, 1 something is not.

    \b
    Example: cvai doctor --config service.toml
    """
    checks = examine(load_settings(config))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        _print(checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _print(checks: tuple[Check, ...]) -> None:
    table = Table(show_header=False, box=None)
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[red]not well[/]"
        table.add_row(check.name, mark, check.detail if check.ok else f"{check.detail}\n[dim]{check.hint}[/]")
    Console().print(table)
