"""``cvai restore``: puts a backup in the place of a service's state."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cvai.audit.messages import Act, AuditEvent, open_audit_trail
from cvai.cli.backup import tell_left_out
from cvai.cli.options import Config
from cvai.cli.page import session_limits
from cvai.cli.progress import ByteBar
from cvai.ops.backup.manifest import CONFIGURATION, Manifest
from cvai.ops.backup.places import Places
from cvai.ops.backup.restore import check_backup, restore_backup
from cvai.review.database import Database
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Accounts
from cvai.settings import Settings, load_settings


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder that cvai backup has made.")],
    config: Config = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where there is data already, which is set aside.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only compare every file with the manifest; change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was restored as JSON.")] = False,
) -> None:
    """Restore a backup into the data folder and jobs database of the settings.

    Stop the service first. Every file is compared with the manifest before
    anything is changed. At its next start the service continues from the
    time of the copy: later studies are found and analysed, and results that
    the archive has already are not stored again. Readers sign in again.

    \b
    Example: cvai restore /backup/2026-03-01 --config service.toml
             cvai restore /backup/2026-03-01 --replace
             cvai restore /backup/2026-03-01 --check
    """
    if check:
        bar = ByteBar("Comparing", hidden=as_json)
        with bar.shown():
            manifest = check_backup(source, bar.of)
        _tell(manifest, "whole", "", as_json)
        return
    settings = load_settings(config)
    places = Places.of(settings, config, DATABASE_NAME)
    bar = ByteBar("Restoring", hidden=as_json)
    with bar.shown():
        restored = restore_backup(
            source, settings, places, replace=replace, watched_by=bar.of, wait=time.sleep
        )
    _sign_everybody_out(places.page, settings)
    open_audit_trail(settings).record(AuditEvent(Act.RESTORED, settings.worker_name))
    _tell(restored.manifest, "restored", restored.replaced, as_json)
    if not as_json and (held := _configuration(source)):
        typer.echo(f"not put anywhere: {held} in {source / CONFIGURATION}")


def _sign_everybody_out(page: Path, settings: Settings) -> None:
    """Sessions that were ended since the copy was made must not live again."""
    if not page.is_file():
        return
    database = Database(page)
    try:
        Accounts(database, session_limits(settings)).end_all_sessions()
    finally:
        database.close()


def _configuration(source: Path) -> str:
    folder = source / CONFIGURATION
    return ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ""


def _tell(manifest: Manifest, what: str, replaced: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"state": what, "replaced": replaced, **asdict(manifest)}, indent=1))
        return
    typer.echo(f"{what}: {manifest.files:,} files, {manifest.bytes / 1e6:,.1f} MB of {manifest.begun_at}")
    tell_left_out(manifest)
    if replaced:
        typer.echo(f"set aside: {replaced}")
