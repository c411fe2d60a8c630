"""Checks everything that the service needs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy

from cvai.archive.folder.inbox import obstacles_in
from cvai.archive.odd import OddAnswers
from cvai.errors import CvaiError
from cvai.files import require_writable
from cvai.jobs.connections import hl7_destination
from cvai.jobs.database import open_database
from cvai.jobs.loading import load_analyses
from cvai.jobs.stops import Stops
from cvai.models.runtimes.providers import AUTO, reason_for
from cvai.models.site_intervals import load_site_intervals
from cvai.service import open_archive
from cvai.settings import Settings

LEAST_FREE_GB = 5.0
LARGEST_SKEW_S = 60.0
OBSTACLES_LISTED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check, with a hint for a failed one; not ``tried`` where there was nothing to check."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    tried: bool = True


def examine(settings: Settings) -> tuple[Check, ...]:
    """All checks, in the order in which the service depends on them."""
    checks: dict[str, Callable[[Settings], Check]] = {
        "disk": check_disk,
        "database": check_database,
        "stopped": check_stopped,
        "model": check_model,
        "intervals": check_intervals,
        "provider": check_provider,
        "archive": check_archive,
        "clock": check_clock,
        "inbox": check_inbox,
        "hl7": check_hl7,
    }
    return tuple(_checked(name, check, settings) for name, check in checks.items())


def check_disk(settings: Settings) -> Check:
    """The data folder, or where it will be created, takes a file and has room for studies and results."""
    folder = settings.data_folder.absolute()
    existing = next(f for f in (folder, *folder.parents) if f.exists())
    try:
        require_writable(existing)
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror} ({existing})"
        return Check("disk", False, detail, "Set data_folder to a folder that this user may write.")
    free_gb = shutil.disk_usage(existing).free / 1e9
    return Check(
        "disk",
        free_gb >= LEAST_FREE_GB,
        f"{folder} can be written, {free_gb:.0f} GB free",
        f"At least {LEAST_FREE_GB:.0f} GB are needed; old results may be removed from results/.",
    )


def check_database(settings: Settings) -> Check:
    """The jobs' database answers, and is sound where it is SQLite."""
    url = sqlalchemy.make_url(settings.jobs_database_url)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and not Path(url.database or "").exists():
        return Check("database", ok=True, detail=f"{url.database}: created at the first start", tried=False)
    engine = open_database(settings.jobs_database_url)
    question = "PRAGMA quick_check" if sqlite else "SELECT 'ok'"
    try:
        with engine.connect() as connection:
            answer = str(connection.execute(sqlalchemy.text(question)).scalar_one())
    except sqlalchemy.exc.SQLAlchemyError as error:
        # The exception's text contains the URL, and with it a password.
        return Check("database", False, f"does not answer ({type(error).__name__})", "Check database_url.")
    finally:
        engine.dispose()
    where = url.render_as_string(hide_password=True)
    return Check("database", answer == "ok", f"{where}: {answer}", "Restore it, or move it away.")


def check_stopped(settings: Settings) -> Check:
    """Which analyses are stopped; that is a decision and no failure."""
    url = sqlalchemy.make_url(settings.jobs_database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return Check("stopped", ok=True, detail="no analysis")
    engine = open_database(settings.jobs_database_url)
    try:
        stops = Stops(engine).all()
    finally:
        engine.dispose()
    listed = (f"{kind} since {stop.since:%Y-%m-%d} ({stop.reason})" for kind, stop in stops.items())
    return Check("stopped", ok=True, detail="; ".join(listed) or "no analysis")


def check_model(settings: Settings) -> Check:
    """The models are intact and reproduce their cards' reference outputs."""
    models = [a.identity for a in load_analyses(settings) if a.identity is not None]
    names = ", ".join(f"{model.name} {model.version} (sha256 {model.sha256[:12]})" for model in models)
    return Check("model", ok=True, detail=f"{names}: as on the card")


def check_intervals(settings: Settings) -> Check:
    """The site's intervals are of the installed models."""
    if settings.site_intervals is None:
        return Check("intervals", ok=True, detail="of the models", tried=False)
    site = load_site_intervals(settings.site_intervals)
    installed = {analysis.kind: analysis.sha256 for analysis in load_analyses(settings)}
    withdrawn = site.withdrawn(installed)
    counts = {m.kind: len(site.of_model(m.sha256)) for m in site.models if m not in withdrawn}
    used = [f"{kind}: {count} recalibrated" for kind, count in counts.items() if count]
    left = [f"{m.kind}: withdrawn, {m.name} {m.version} is not installed any more" for m in withdrawn]
    detail = f"{settings.site_intervals.name} of {site.at:%Y-%m-%d}: {'; '.join([*used, *left])}"
    hint = "Run cvai intervals again once enough studies of the new model are signed."
    return Check("intervals", not withdrawn, detail, hint)


def check_provider(settings: Settings) -> Check:
    """The networks run on the configured provider; which one it is, and why."""
    analyses = [a for a in load_analyses(settings) if a.identity is not None]
    running = {a.identity.provider for a in analyses if a.identity is not None}
    return Check(
        "provider",
        settings.provider == AUTO or not any(a.device_failures() for a in analyses),
        "; ".join(f"{provider}: {reason_for(settings.provider, provider)}" for provider in sorted(running)),
        "Check the device and its driver. The service measures on the CPU and tries the device again.",
    )


def check_archive(settings: Settings) -> Check:
    """The archive answers and accepts the credentials."""
    archive, _ = open_archive(settings)
    return Check("archive", ok=True, detail=archive.probe().detail)


def check_clock(settings: Settings) -> Check:
    """The clocks of this machine and the archive agree: every stored object has a time."""
    archive, _ = open_archive(settings)
    clock = archive.probe().clock
    if clock is None:
        return Check("clock", ok=True, detail="the archive does not state its time", tried=False)
    skew_s = (datetime.now(UTC) - clock).total_seconds()
    detail = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the archive"
    return Check("clock", abs(skew_s) <= LARGEST_SKEW_S, detail, "Synchronise both clocks (NTP).")


def check_inbox(settings: Settings) -> Check:
    """Everything in the inbox can be imported."""
    inbox = settings.inbox_folder.absolute()
    if settings.archive != "folder":
        return Check("inbox", ok=True, detail=f"none with archive = {settings.archive}", tried=False)
    if not inbox.exists():
        return Check("inbox", ok=True, detail=f"{inbox}: created at the first start", tried=False)
    try:
        obstacles = obstacles_in(inbox)
    except OSError as error:
        return Check("inbox", False, f"{inbox} cannot be listed: {error.strerror}", "Check its rights.")
    listed = "; ".join(f"{o.kind} with inode {o.inode}: {o.reason}" for o in obstacles[:OBSTACLES_LISTED])
    more = f"; and {len(obstacles) - OBSTACLES_LISTED} more" if len(obstacles) > OBSTACLES_LISTED else ""
    hint = "find INBOX -inum INODE finds it; let the service read and move it, or remove it."
    found = f"{listed}{more}" or "everything can be imported"
    return Check("inbox", not obstacles, f"{inbox}: {found}", hint)


def check_hl7(settings: Settings) -> Check:
    """The HL7 receiver takes connections; nothing is sent to it."""
    destination = hl7_destination(settings, OddAnswers())
    if destination is None:
        return Check("hl7", ok=True, detail="none is configured", tried=False)
    return Check("hl7", ok=True, detail=destination.receiver.probe())


def _checked(name: str, check: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return check(settings)
    except CvaiError as error:
        return Check(name, ok=False, detail=f"{error.code}: {error.message}", hint=error.hint)
