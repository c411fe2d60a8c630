"""The service's own folders and databases closed to others, whoever made them and with which rights."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import sqlalchemy
import structlog

from cvai.files import close_to_others, is_private, private_file, private_folder
from cvai.settings import Settings

log = structlog.get_logger(__name__)

BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")
"""What SQLite writes beside its file, with the rights of the file."""


def make_private(settings: Settings) -> None:
    """Close everything the service keeps on disk to others; a log line names what cannot be closed.

    Folders further down are closed as they are made, and cannot be reached through those above.
    """
    for path in private_folder(settings.data_folder).iterdir():
        if not path.is_symlink():
            with suppress(FileNotFoundError):  # gone since it was listed
                close_to_others(path)
    for setting, folder in _folders(settings):
        if not is_private(private_folder(folder)):
            log.warning("folder_not_private", setting=setting)
    if (database := _database_file(settings.jobs_database_url)) is not None:
        _make_database_private(database)


def _folders(settings: Settings) -> list[tuple[str, Path]]:
    folders = [("data_folder", settings.data_folder), ("results", settings.results_folder)]
    if settings.archive == "folder":
        folders.append(("folder.archive", settings.archive_folder))
        if not settings.folder.inbox_shared:
            folders.append(("folder.inbox", settings.inbox_folder))
    return folders


def _database_file(url: str) -> Path | None:
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)


def _make_database_private(path: Path) -> None:
    private_file(path)
    for suffix in BESIDE_A_DATABASE:
        with suppress(FileNotFoundError):
            close_to_others(path.with_name(path.name + suffix))
