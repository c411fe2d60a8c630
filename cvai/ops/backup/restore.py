"""Puts a backup in the place of a service's state, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from cvai.errors import ConfigurationInvalid, TemporarilyUnavailable
from cvai.files import OWNER_ENTERS, private_folder
from cvai.jobs.database import open_database
from cvai.jobs.worker_registry import WorkerRegistry
from cvai.ops.backup.databases import SIDE_FILES, jobs_file, require_pg_restore, restore_postgres
from cvai.ops.backup.files import (
    Advance,
    ChangedMeanwhile,
    Copied,
    copy_file,
    digest_of,
)
from cvai.ops.backup.make import disk_errors, no_progress, require_room
from cvai.ops.backup.manifest import (
    CONFIGURATION,
    DATA,
    JOBS_DUMP,
    JOBS_SQLITE,
    LIST,
    CopiedFile,
    CopiedFolder,
    Manifest,
    damaged,
    read_list,
    read_manifest,
)
from cvai.ops.backup.places import (
    REPLACED,
    RESTORING,
    Places,
    held_alone,
    is_passing,
    no_service,
    service_running,
)
from cvai.settings import Settings

NOBODYS = "lost+found"
"""Made by a file system in its root."""

Wait = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place.

    Args:
        manifest: of the backup.
        replaced: where that lies which stood there before, empty where nothing did.
    """

    manifest: Manifest
    replaced: str


def check_backup(source: Path, watched_by: Callable[[int], Advance] = lambda _: no_progress) -> Manifest:
    """Read a whole backup and compare it with its manifest; nothing is changed.

    Raises:
        ConfigurationInvalid: ``not_a_backup``, ``backup_damaged``.
        TemporarilyUnavailable: ``backup_disk``.
    """
    with disk_errors():
        manifest = read_manifest(source)
        advance = watched_by(manifest.bytes)
        for number, entry in enumerate(read_list(source), start=1):
            if isinstance(entry, CopiedFile):
                with _named_by_line(number):
                    _require_same(entry, digest_of(source / entry.path, advance))
    return manifest


def restore_backup(
    source: Path,
    settings: Settings,
    places: Places,
    *,
    replace: bool,
    watched_by: Callable[[int], Advance] = lambda _: no_progress,
    wait: Wait,
) -> Restored:
    """Put a backup in the place of a service's state.

    Every file is copied beside its place and compared with the manifest first. What stood there before is
    set aside, and parts that the backup left out stay as they are. Where it is interrupted after that, no
    service starts before it has been done again.

    Args:
        source: what ``make_backup`` has made.
        settings: of the service.
        places: where its state is to be.
        replace: also where there is some already.
        watched_by: called with the total number of bytes; returns the callback for each piece.
        wait: for so many seconds, to see whether workers elsewhere live.

    Raises:
        ConfigurationInvalid: ``not_a_backup``, ``backup_damaged``, ``backup_of_other_database``,
            ``data_folder_not_empty``, ``jobs_database_not_empty``, ``service_running``, ``backup_running``,
            ``pg_tools_missing``.
        TemporarilyUnavailable: ``backup_disk``, ``database_unavailable``, ``pg_tool_failed``.
    """
    with disk_errors():
        manifest = read_manifest(source)
        _require_same_kind(manifest, settings)
        private_folder(places.data_folder)
        with (
            held_alone(places.data_folder, "restore"),
            _staging(places.data_folder) as staging,
            no_service(places.data_folder),
        ):
            target = _Target(manifest, settings, places)
            target.require_free(replace, wait)
            require_room(places.data_folder, manifest.bytes)
            _stage(source, staging.folder, watched_by(manifest.bytes))
            staging.no_way_back()
            return Restored(manifest, target.put_in_place(source, staging.folder))


def _require_same_kind(manifest: Manifest, settings: Settings) -> None:
    ours = "postgresql" if jobs_file(settings.jobs_database_url) is None else "sqlite"
    if manifest.jobs not in (ours, "left_out"):
        raise ConfigurationInvalid(
            "backup_of_other_database",
            f"the backup holds jobs of {manifest.jobs}, and the settings name {ours}.",
            "Give the configuration of the service that was copied: database_url decides.",
        )
    if manifest.jobs == "postgresql":
        require_pg_restore()


class _Staging:
    """Where files wait until all of them are there; while it exists, no service starts.

    Args:
        folder: of the data folder, so that files are moved and not copied once more.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keep = False

    def no_way_back(self) -> None:
        """From now on only the end of the restore removes it."""
        self.keep = True


@contextmanager
def _staging(data_folder: Path) -> Iterator[_Staging]:
    staging = _Staging(data_folder / RESTORING)
    unfinished = staging.folder.exists()
    shutil.rmtree(staging.folder, ignore_errors=True)
    staging.folder.mkdir(mode=OWNER_ENTERS)
    try:
        yield staging
    except BaseException:
        if not staging.keep and not unfinished:
            shutil.rmtree(staging.folder, ignore_errors=True)
        raise
    shutil.rmtree(staging.folder)


def _stage(source: Path, staging: Path, advance: Advance) -> None:
    """Copy everything beside its place; nothing is taken on trust."""
    for number, entry in enumerate(read_list(source), start=1):
        target = staging / entry.path
        if isinstance(entry, CopiedFolder):
            _make_folder(staging, target)
        elif not entry.path.startswith(f"{CONFIGURATION}/"):
            _make_folder(staging, target.parent)
            with _named_by_line(number):
                _require_same(entry, copy_file(source / entry.path, target, advance))


@contextmanager
def _named_by_line(number: int) -> Iterator[None]:
    """Name a changed file by its line in the manifest: names of deliveries may be patients'."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, ChangedMeanwhile, _Differs) as error:
        raise damaged(f"the file in line {number} of {LIST} is missing or is not what it was") from error


class _Differs(Exception):
    """A file is not what the list says."""


def _require_same(entry: CopiedFile, found: Copied) -> None:
    if (found.bytes, found.sha256) != (entry.bytes, entry.sha256):
        raise _Differs


def _make_folder(staging: Path, folder: Path) -> None:
    above = staging
    for part in folder.relative_to(staging).parts:
        above = above / part
        above.mkdir(mode=OWNER_ENTERS, exist_ok=True)


class _Target:
    """A service's state that is to become that of a backup."""

    def __init__(self, manifest: Manifest, settings: Settings, places: Places) -> None:
        self._manifest = manifest
        self._settings = settings
        self._places = places
        self._url = settings.jobs_database_url
        self._stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")

    def require_free(self, replace: bool, wait: Wait) -> None:
        """Return where nothing would be lost that was not given up, and no worker is running."""
        if not replace and any(map(_holds_files, self._existing_entries())):
            raise ConfigurationInvalid(
                "data_folder_not_empty",
                "the data folder holds files already.",
                "With --replace they are set aside, into a folder of their own beside what is restored.",
            )
        if self._manifest.jobs == "left_out":
            return
        path = jobs_file(self._url)
        if path is None:
            self._require_free_server(replace, wait)
        elif path.exists() and not replace:
            raise _database_not_empty()

    def put_in_place(self, source: Path, staging: Path) -> str:
        """Let what is staged take the place of what stands; returns where that lies now."""
        if self._manifest.jobs == "postgresql":
            restore_postgres(self._url, staging / JOBS_DUMP)
        replaced = self._set_aside()
        for entry in sorted((staging / DATA).iterdir()):
            _move_into(entry, self._places.data_folder / entry.name)
        path = jobs_file(self._url)
        if self._manifest.jobs == "sqlite" and path is not None:
            path.parent.mkdir(mode=OWNER_ENTERS, parents=True, exist_ok=True)
            shutil.move(staging / JOBS_SQLITE, path)
        self._as_they_had_changed(source)
        if self._manifest.jobs != "left_out":
            self._require_no_workers()
        os.sync()
        return replaced

    def _existing_entries(self) -> Iterator[Path]:
        """What is in the way in the data folder: not what passes, and not parts that the backup left out."""
        kept = self._kept()
        for entry in sorted(self._places.data_folder.iterdir()):
            if entry not in kept and not is_passing(entry.name) and entry.name != NOBODYS:
                yield entry

    def _kept(self) -> set[Path]:
        parts = {"results": self._places.results, "archive": self._places.archive}
        kept = {path for name, path in parts.items() if name in self._manifest.left_out and path is not None}
        if self._manifest.jobs == "left_out" and (path := jobs_file(self._url)) is not None:
            kept |= {path.absolute().with_name(path.name + end) for end in ("", *SIDE_FILES)}
        # Of a part that lies deeper, the whole entry of the data folder stays.
        data_folder = self._places.data_folder
        inside = (path for path in kept if path.is_relative_to(data_folder) and path != data_folder)
        return {data_folder / path.relative_to(data_folder).parts[0] for path in inside}

    def _require_free_server(self, replace: bool, wait: Wait) -> None:
        database = open_database(self._url)
        try:
            if inspect(database).has_table("workflow_status", schema="dbos"):
                if not replace:
                    raise _database_not_empty()
                self._require_nobody_beats(database, wait)
        except SQLAlchemyError as error:
            raise TemporarilyUnavailable(
                "database_unavailable",
                f"the jobs' database does not answer ({type(error).__name__}).",
                "Check database_url, and that PostgreSQL runs.",
            ) from error
        finally:
            database.dispose()

    def _require_nobody_beats(self, database: Engine, wait: Wait) -> None:
        """Workers on other machines show that they live by counts that grow."""
        if not inspect(database).has_table("cvai_workers"):
            return
        registry = WorkerRegistry(database)
        if not (before := registry.living()):
            return
        wait(3 * self._settings.heartbeat_s)
        if beating := [name for name, beats in registry.living().items() if beats != before.get(name)]:
            raise service_running(beating[0])

    def _set_aside(self) -> str:
        """Move what stands in the way into a folder of its own."""
        aside = self._places.data_folder / f"{REPLACED}{self._stamp}"
        for entry in list(self._existing_entries()):
            aside.mkdir(mode=OWNER_ENTERS, exist_ok=True)
            entry.rename(aside / entry.name)
        path = jobs_file(self._url)
        if self._manifest.jobs == "sqlite" and path is not None:
            for end in ("", *SIDE_FILES):
                beside = path.with_name(path.name + end)
                if beside.exists():  # it lies outside of the data folder
                    aside.mkdir(mode=OWNER_ENTERS, exist_ok=True)
                    shutil.move(beside, aside / beside.name)
        return str(aside) if aside.exists() else ""

    def _as_they_had_changed(self, source: Path) -> None:
        """Give folders the times that the feed and the retention of results know them by."""
        for entry in read_list(source):
            if isinstance(entry, CopiedFolder):
                below = Path(entry.path).relative_to(DATA)
                os.utime(self._places.data_folder / below, ns=(entry.changed_ns, entry.changed_ns))

    def _require_no_workers(self) -> None:
        """Strike off the workers that were at work when the copy was made."""
        database = open_database(self._url)
        try:
            if inspect(database).has_table("cvai_workers"):
                registry = WorkerRegistry(database)
                for worker in registry.living():
                    registry.remove(worker)
        finally:
            database.dispose()


def _move_into(made: Path, place: Path) -> None:
    """Move a folder or a file; into a folder that stands, where a part in it was kept."""
    if not (place.is_dir() and made.is_dir()):
        made.rename(place)
        return
    for entry in sorted(made.iterdir()):
        _move_into(entry, place / entry.name)


def _holds_files(entry: Path) -> bool:
    if not entry.is_dir():
        return True
    return any(files for _, _, files in os.walk(entry))


def _database_not_empty() -> ConfigurationInvalid:
    return ConfigurationInvalid(
        "jobs_database_not_empty",
        "the jobs' database holds jobs already.",
        "With --replace those of the backup take their place.",
    )
