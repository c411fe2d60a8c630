"""``cvai models drift``: how the newest studies of each scanner differ from its first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli.options import AsJson, Config

if TYPE_CHECKING:
    from cvai.ops.scanner_drift import ScannerDrift

_WIDTH = 130


def drift(as_json: AsJson = False, config: Config = None) -> None:
    """Compare the newest studies of each scanner with its first: every number, refusals and findings.

    A scanner is manufacturer, model and field strength. The first 100 studies with a model are the reference;
    up to 100 newest ones after them are compared, from 30 on. Numbers are compared by Mann and Whitney's
    test, shares by Fisher's, with p values adjusted after Holm; below 0.001 is called drift. --json has
    all comparisons.

    \b
    Example: cvai models drift --config service.toml
    """
    from cvai.jobs.database import open_database
    from cvai.jobs.ledger import open_ledger
    from cvai.ops.scanner_drift import ScannerDrifts
    from cvai.settings import load_settings

    settings = load_settings(config)
    with open_ledger(settings.jobs_database_url):
        pass  # a database that no service uses holds no studies
    database = open_database(settings.jobs_database_url)
    try:
        found = ScannerDrifts(database).all()
    finally:
        database.dispose()
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in found], indent=1))
    elif not found:
        typer.echo("No study has been analysed yet.")
    else:
        _print(found)


def _print(found: Sequence[ScannerDrift]) -> None:
    table = Table("analysis", "model", "scanner", "first", "newest", "what drifts", box=None)
    for each in found:
        drifted = [f"{shift.words} (p {shift.p:.1g})" for shift in each.drifted]
        stated = "\n".join(drifted) or ("nothing" if each.shifts else "too few studies")
        counts = str(each.n_reference), str(each.n_newest)
        table.add_row(each.kind, each.model_sha256[:12], each.scanner, *counts, stated)
    Console(width=max(Console().width, _WIDTH), highlight=False).print(table)
