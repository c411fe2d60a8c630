"""``cvai models shadow``: how a second model compares with the one at work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli.options import Config
from cvai.jobs.shadow import shadow_records
from cvai.jobs.shadow_comparison import Differences, ShadowComparison, compared
from cvai.settings import load_settings


def shadow(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, config: Config = None
) -> None:
    """Compare the model in shadow (shadow_model) with the results that were delivered.

    Differences are shadow minus result, over all studies that both have measured.

    \b
    Example: cvai models shadow --config service.toml
    """
    found = compared(shadow_records(load_settings(config).results_folder))
    if as_json:
        typer.echo(json.dumps([asdict(comparison) for comparison in found], indent=1))
    elif not found:
        typer.echo("No study has been measured in shadow yet; see shadow_model in the settings.")
    else:
        _print(found)


def _print(found: Sequence[ShadowComparison]) -> None:
    console = Console()
    for comparison in found:
        title = f"{comparison.model} in shadow of {comparison.against}: {comparison.n} studies"
        if comparison.refused:
            title += f", {comparison.refused} refused"
        table = Table("measurement", title=title, title_justify="left")
        for heading in ("studies", "bias", "SD", "largest"):
            table.add_column(heading, justify="right")
        for differences in comparison.differences:
            table.add_row(*_cells(differences))
        console.print(table)


def _cells(found: Differences) -> tuple[str, ...]:
    sd = "–" if found.sd is None else f"{found.sd:.1f}"
    name = f"{found.name} ({found.unit})"
    return name, str(found.n), f"{found.bias:+.1f}", sd, f"{found.largest:+.1f}"
