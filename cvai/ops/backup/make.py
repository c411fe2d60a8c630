"""Makes a backup of a service, which may be running."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cvai import __version__
from cvai.errors import ConfigurationInvalid, TemporarilyUnavailable
from cvai.files import OWNER_ENTERS, private_file, private_folder
from cvai.ops.backup.databases import (
    SIDE_FILES,
    PostgresDump,
    copy_sqlite,
    is_sqlite,
    jobs_file,
    require_sound,
    sqlite_as_of_now,
    standing_still,
)
from cvai.ops.backup.files import (
    Advance,
    ChangedMeanwhile,
    FoundFile,
    FoundFolder,
    copy_file,
    digest_of,
    walk,
)
from cvai.ops.backup.manifest import (
    CONFIGURATION,
    DATA,
    FORMAT,
    JOBS_DUMP,
    JOBS_SQLITE,
    LIST,
    CopiedFile,
    CopiedFolder,
    Entry,
    Jobs,
    Manifest,
    line_of,
)
from cvai.ops.backup.places import Places, held_alone, is_passing
from cvai.settings import Settings

REQUESTED = "as asked for"


class BackupPart(StrEnum):
    """A part that may be left out of a backup, if it is copied by other means."""

    RESULTS = "results"
    """result.json, reports and copies of the stored objects."""
    ARCHIVE = "archive"
    """The embedded archive."""
    DATABASE = "database"
    """The jobs."""


def no_progress(_: int) -> None:
    """Ignores progress."""


def make_backup(
    settings: Settings,
    places: Places,
    destination: Path,
    without: frozenset[BackupPart] = frozenset(),
    watched_by: Callable[[int], Advance] = lambda _: no_progress,
) -> Manifest:
    """Copy a service's state into a new folder, also while the service runs.

    Args:
        settings: of the service.
        places: where its state is.
        destination: new or empty folder.
        without: parts to leave out.
        watched_by: called with the total number of bytes; returns the callback for each piece.

    Raises:
        ConfigurationInvalid: ``no_data_folder``, ``backup_destination_taken``, ``backup_inside_data_folder``,
            ``backup_running``, ``database_damaged``, ``pg_tools_missing``.
        TemporarilyUnavailable: ``backup_disk``, ``database_unavailable``, ``pg_tool_failed``; what has been
            copied is removed.
    """
    require_state(places)
    with disk_errors(), held_alone(places.data_folder, "backup"), _made(destination, places):
        sources = _Sources(settings, places, without)
        total = sum(found.bytes for found in sources.everything() if isinstance(found, FoundFile))
        require_room(destination, total)
        return _Copying(sources, destination, watched_by(total)).run()


def require_state(places: Places) -> None:
    """Check that there is a data folder to copy.

    Raises:
        ConfigurationInvalid: ``no_data_folder``.
    """
    if not places.data_folder.is_dir():
        raise ConfigurationInvalid(
            "no_data_folder",
            "there is no data folder to be copied.",
            "Check --config and data_folder; the first cvai serve makes it.",
        )


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn errors of a disk into TemporarilyUnavailable."""
    try:
        yield
    except OSError as error:
        raise TemporarilyUnavailable(
            "backup_disk",
            f"a disk failed while files were copied: {error.strerror}.",
            "Check that both disks are mounted, not full, and that this user may read and write there.",
        ) from error


def require_room(folder: Path, needed: int) -> None:
    """Check that a folder's disk has enough free space.

    Raises:
        TemporarilyUnavailable: ``backup_disk``.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TemporarilyUnavailable(
            "backup_disk",
            f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free.",
            "Make room, or choose another disk.",
        )


@contextmanager
def _made(destination: Path, places: Places) -> Iterator[None]:
    """Create the destination; it is emptied again if the backup fails."""
    target = destination.resolve()
    if target.is_relative_to(places.data_folder.resolve()):
        raise ConfigurationInvalid(
            "backup_inside_data_folder",
            "the backup would lie in the data folder that it is a copy of.",
            "Choose a folder on another disk.",
        )
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise ConfigurationInvalid(
            "backup_destination_taken",
            f"{destination} exists and is not an empty folder.",
            "Name a new folder, for instance after the date: nothing is ever written over a backup.",
        )
    private_folder(destination)
    try:
        yield
    except BaseException:
        for entry in destination.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        raise


@dataclass(frozen=True, slots=True)
class _Sources:
    """The files to copy, in the order required for consistency."""

    settings: Settings
    places: Places
    without: frozenset[BackupPart]

    def everything(self) -> Iterator[FoundFile | FoundFolder]:
        """All files, to determine the total size."""
        yield from self.before_the_jobs()
        if BackupPart.DATABASE not in self.without and self.jobs_file is not None:
            yield from walk(self.jobs_file)
        yield from walk(self.places.page)
        yield from self.after_the_jobs()
        yield from self.rest()

    def before_the_jobs(self) -> Iterator[FoundFile | FoundFolder]:
        """Deliveries; copied before the archive, so that one that is imported meanwhile is found there."""
        if self.places.inbox is not None:
            yield from walk(self.places.inbox, self._parts)

    def after_the_jobs(self) -> Iterator[FoundFile | FoundFolder]:
        """Archive and results; copied after the jobs, whose outcomes refer to them."""
        if self.places.archive is not None and BackupPart.ARCHIVE not in self.without:
            yield from walk(self.places.archive, self._parts)
        if BackupPart.RESULTS not in self.without:
            yield from walk(self.places.results, self._parts)

    def rest(self) -> Iterator[FoundFile | FoundFolder]:
        """Everything else in the data folder."""
        databases = {self.places.page, *([] if self.jobs_file is None else [self.jobs_file.absolute()])}
        beside = {path.with_name(path.name + end) for path in databases for end in SIDE_FILES}
        left_out = self._parts | databases | beside
        for entry in sorted(self.places.data_folder.iterdir()):
            if entry not in left_out and not is_passing(entry.name):
                yield from walk(entry, left_out)

    @property
    def jobs_file(self) -> Path | None:
        """The SQLite database of jobs, None for a server."""
        return jobs_file(self.settings.jobs_database_url)

    @property
    def left_out(self) -> dict[str, str]:
        """Parts that are not copied, and why."""
        return dict.fromkeys(sorted(self.without), REQUESTED) | self.places.elsewhere(self.settings)

    @property
    def _parts(self) -> set[Path]:
        """Folders that are copied separately."""
        found = (self.places.inbox, self.places.archive, self.places.results)
        return {path for path in found if path is not None}


class _Copying:
    """One run of a backup.

    Args:
        sources: files to copy.
        destination: an empty folder.
        advance: called for each piece.
    """

    def __init__(self, sources: _Sources, destination: Path, advance: Advance) -> None:
        self._sources = sources
        self._places = sources.places
        self._to = destination
        self._advance = advance
        self._digest = hashlib.sha256()
        self._files = self._bytes = self._unsettled = 0

    def run(self) -> Manifest:
        begun_at = _now()
        with private_file(self._to / LIST).open("wb") as self._list:
            (self._to / DATA).mkdir(mode=OWNER_ENTERS)
            self._copy_all(self._sources.before_the_jobs())
            jobs = self._copy_databases()
            self._copy_all(self._sources.after_the_jobs())
            self._copy_all(self._sources.rest())
            self._copy_configuration()
        # A sync of the whole system costs less than one for each of a million files.
        os.sync()
        left_out = self._sources.left_out
        if self._unsettled:
            left_out["unsettled"] = f"{self._unsettled} files were being written to all the time"
        manifest = Manifest(
            format=FORMAT,
            cvai=__version__,
            begun_at=begun_at,
            ended_at=_now(),
            archive=self._sources.settings.archive,
            jobs=jobs,
            left_out=left_out,
            files=self._files,
            bytes=self._bytes,
            list_sha256=self._digest.hexdigest(),
        )
        manifest.write(self._to)
        os.sync()
        return manifest

    def _copy_all(self, found: Iterator[FoundFile | FoundFolder]) -> None:
        for item in found:
            name = f"{DATA}/{item.path.relative_to(self._places.data_folder).as_posix()}"
            if isinstance(item, FoundFolder):
                self._make_folder(name)
                self._note(CopiedFolder(name, item.changed_ns))
            elif item.path.name.endswith(SIDE_FILES) and is_beside_sqlite(item.path):
                continue
            else:
                self._copy(item.path, name)

    def _make_folder(self, name: str) -> None:
        """Create a folder and its parents."""
        above = self._to
        for part in Path(name).parts:
            above = above / part
            above.mkdir(mode=OWNER_ENTERS, exist_ok=True)

    def _copy(self, source: Path, name: str) -> None:
        """Copy a file; one that has been moved meanwhile is copied from its new place."""
        target = self._to / name
        self._make_folder(Path(name).parent.as_posix())
        try:
            if is_sqlite(source):
                with sqlite_as_of_now(source) as database:
                    copy_sqlite(database, target)
                require_sound(target)
                self._note_copy(target, name)
            else:
                copied = copy_file(source, target, self._advance, appended=source == self._places.audit)
                self._note(CopiedFile(name, copied.bytes, copied.sha256))
        except FileNotFoundError:
            return
        except ChangedMeanwhile:
            self._unsettled += 1

    def _copy_databases(self) -> Jobs:
        """Copy decisions and jobs as of one moment.

        Decisions are recorded before they are queued: with the page's database locked, every queued one is
        recorded.
        """
        with ExitStack() as stack:
            with ExitStack() as moment:
                page = jobs = None
                if self._places.page.is_file():
                    moment.enter_context(standing_still(self._places.page))
                    page = stack.enter_context(sqlite_as_of_now(self._places.page))
                if BackupPart.DATABASE not in self._sources.without:
                    jobs = self._jobs_as_of_now()
                    stack.callback(jobs.close)
            if jobs is not None:
                jobs.write(self._to)
                self._note_copy(self._to / jobs.name, jobs.name)
            if page is not None:
                name = f"{DATA}/{self._places.page.name}"
                copy_sqlite(page, self._to / name)
                require_sound(self._to / name)
                self._note_copy(self._to / name, name)
        return "left_out" if jobs is None else jobs.kind

    def _jobs_as_of_now(self) -> _JobsCopy | _JobsDump:
        if (path := self._sources.jobs_file) is None:
            return _JobsDump(self._sources.settings.jobs_database_url)
        if not path.is_file():
            raise ConfigurationInvalid(
                "no_jobs_database",
                "there is no database of jobs yet.",
                "It is created by the first cvai serve; check --config and data_folder.",
            )
        return _JobsCopy(path)

    def _copy_configuration(self) -> None:
        for name, path in self._places.configuration.items():
            self._copy(path, f"{CONFIGURATION}/{name}")

    def _note_copy(self, path: Path, name: str) -> None:
        copied = digest_of(path, self._advance)
        self._note(CopiedFile(name, copied.bytes, copied.sha256))

    def _note(self, entry: Entry) -> None:
        line = line_of(entry)
        self._digest.update(line)
        self._list.write(line)
        if isinstance(entry, CopiedFile):
            self._files += 1
            self._bytes += entry.bytes


class _JobsCopy:
    """Jobs in SQLite, copied beside their file first, since reading blocks writers."""

    kind: Jobs = "sqlite"
    name = JOBS_SQLITE

    def __init__(self, path: Path) -> None:
        self._beside = path.with_name(f".{path.name}.backup")
        self._beside.unlink(missing_ok=True)
        with sqlite_as_of_now(path) as jobs:
            copy_sqlite(jobs, self._beside)

    def write(self, folder: Path) -> None:
        require_sound(self._beside)
        copy_file(self._beside, folder / self.name, no_progress)

    def close(self) -> None:
        self._beside.unlink(missing_ok=True)


class _JobsDump:
    """Jobs in PostgreSQL."""

    kind: Jobs = "postgresql"
    name = JOBS_DUMP

    def __init__(self, url: str) -> None:
        self._dump = PostgresDump(url)

    def write(self, folder: Path) -> None:
        self._dump.write(folder / self.name)

    def close(self) -> None:
        self._dump.close()


def is_beside_sqlite(path: Path) -> bool:
    """Whether a file is the journal of an SQLite database, which is copied with the database."""
    for end in SIDE_FILES:
        database = path.with_name(path.name.removesuffix(end))
        if path.name.endswith(end) and database.is_file() and is_sqlite(database):
            return True
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
