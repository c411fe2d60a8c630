"""``cvai backup``: a copy of a service's state, taken while it works."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cvai.audit.messages import Act, AuditEvent, open_audit_trail
from cvai.cli.options import Config
from cvai.cli.progress import ByteBar
from cvai.ops.backup.make import BackupPart, make_backup, require_state
from cvai.ops.backup.manifest import Manifest
from cvai.ops.backup.places import Places
from cvai.review.server import DATABASE_NAME
from cvai.settings import load_settings


def backup(
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", help="Folder to be made; its disk needs room for everything.")
    ],
    config: Config = None,
    without: Annotated[
        list[BackupPart] | None,
        typer.Option(help="Leave out a part that is copied by other means; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Copy jobs, decisions, accounts, results, embedded archive and configuration to a folder.

    The service may run meanwhile: the copy is consistent. It contains patient
    data and secrets, readable by you only; manifest.json lists its contents,
    and files.jsonl the SHA-256 of each file.

    \b
    Example: cvai backup /backup/2026-03-01 --config service.toml
             cvai backup /backup/$(date +%F) --without results --without archive --json
    """
    settings = load_settings(config)
    places = Places.of(settings, config, DATABASE_NAME)
    require_state(places)
    open_audit_trail(settings).record(AuditEvent(Act.BACKED_UP, settings.worker_name))
    bar = ByteBar("Copying", hidden=as_json)
    with bar.shown():
        manifest = make_backup(settings, places, destination, frozenset(without or ()), bar.of)
    if as_json:
        typer.echo(json.dumps({"backup": str(destination.absolute()), **asdict(manifest)}, indent=1))
        return
    typer.echo(f"{manifest.files:,} files, {manifest.bytes / 1e6:,.1f} MB in {destination}")
    tell_left_out(manifest)


def tell_left_out(manifest: Manifest) -> None:
    """Say what a backup does not hold."""
    for part, why in manifest.left_out.items():
        typer.echo(f"left out: {part}: {why}")
