"""``cvai doctor``: is everything there that the service needs, and what would become of a study?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cvai.cli.jobs import wide_console
from cvai.cli.options import Config
from cvai.doctor.checks import Check, examine
from cvai.doctor.study import explain_folder, explain_study
from cvai.ops.logs import log_to_stderr
from cvai.settings import load_settings


def doctor(
    config: Config = None,
    study: Annotated[
        str | None, typer.Option(metavar="UID", help="Explain what would become of a study of the archive.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="The same for a file, folder or zip, without the archive.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check whether the service can run, or explain how a study would be handled.

    Exit status: 0 all is well, 1 something is not, or the study would not be measured.

    \b
    Example: cvai doctor --config service.toml
    Example: cvai doctor --config service.toml --study 1.2.840.113619.2.1
    """
    log_to_stderr()
    if folder is not None:
        checks = explain_folder(folder)
    elif study is not None:
        checks = explain_study(load_settings(config), study)
    else:
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
        mark = "[red]no[/]" if not check.ok else "[green]ok[/]" if check.tried else "[dim]–[/]"
        table.add_row(check.name, mark, check.detail if check.ok else f"{check.detail}\n[dim]{check.hint}[/]")
    wide_console().print(table)
