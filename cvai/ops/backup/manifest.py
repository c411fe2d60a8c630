"""What a backup says of itself: one small file about the whole, and a list with a line for every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, cast

from cvai.errors import ConfigurationInvalid
from cvai.files import write_whole

FORMAT = 1
MANIFEST, LIST = "manifest.json", "files.jsonl"
DATA, CONFIGURATION = "data", "configuration"
JOBS_SQLITE, JOBS_DUMP = "jobs.sqlite", "jobs.pgdump"
PLACES = frozenset({DATA, CONFIGURATION, JOBS_SQLITE, JOBS_DUMP})
"""What a path of the list may begin with."""

Jobs: TypeAlias = Literal["sqlite", "postgresql", "left_out"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup as a whole; written last, so a folder without one is no backup.

    Args:
        format: of the files; a reader knows its own and the ones before.
        cvai: version that made it.
        begun_at: when it began; what came later may be missing, ISO 8601 in UTC.
        ended_at: when it was whole.
        archive: kind of the archive that was followed.
        jobs: how the jobs' database was copied.
        left_out: parts that are not in it, and why.
        files: how many there are.
        bytes: of all files together.
        list_sha256: hex SHA-256 of the list of files.
    """

    format: int
    cvai: str
    begun_at: str
    ended_at: str
    archive: str
    jobs: Jobs
    left_out: dict[str, str]
    files: int
    bytes: int
    list_sha256: str

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format {self.format} is not {FORMAT}")
        if self.jobs not in ("sqlite", "postgresql", "left_out"):
            raise ValueError("jobs are sqlite, postgresql or left_out")

    def write(self, folder: Path) -> None:
        """Put the manifest into a backup, which is whole from then on."""
        write_whole(folder / MANIFEST, json.dumps(asdict(self), indent=1).encode())


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """One file of a backup.

    Args:
        path: below the backup, see PLACES.
        bytes: how long it is.
        sha256: hex digest.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CopiedFolder:
    """A folder, and when it changed, by which a feed and the retention of results know it."""

    path: str
    changed_ns: int


Entry: TypeAlias = CopiedFile | CopiedFolder


def line_of(entry: Entry) -> bytes:
    """An entry as a line of the list.

    >>> line_of(CopiedFile("jobs.sqlite", 3, "ab"))
    b'{"path": "jobs.sqlite", "bytes": 3, "sha256": "ab"}\\n'
    """
    return f"{json.dumps(asdict(entry))}\n".encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup, once its list is what it was.

    Raises:
        ConfigurationInvalid: ``not_a_backup``, ``backup_damaged``.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ConfigurationInvalid(
            "not_a_backup",
            f"there is no {MANIFEST} in this folder.",
            "Name a folder that cvai backup has made; one that was interrupted is not a backup.",
        )
    try:
        manifest = Manifest(**json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise ConfigurationInvalid(
            "not_a_backup",
            f"the {MANIFEST} in this folder is not one that this version of cvai can read.",
            "Restore with the version that made the backup, or name another folder.",
        ) from error
    if _sha256_of(folder / LIST) != manifest.list_sha256:
        raise damaged(f"{LIST} is missing or is not what it was")
    return manifest


def read_list(folder: Path) -> Iterator[Entry]:
    """Every file and folder of a backup, in the order of the list.

    Raises:
        ConfigurationInvalid: ``backup_damaged``: a line that is no entry, or that leads out of the backup.
    """
    with (folder / LIST).open("rb") as lines:
        for line in lines:
            yield _entry(line)


def damaged(what: str) -> ConfigurationInvalid:
    """The error about a backup that is not what it was."""
    return ConfigurationInvalid(
        "backup_damaged", f"{what}.", "Nothing was changed. Take another backup, or copy this one anew."
    )


def _entry(line: bytes) -> Entry:
    try:
        values = cast("dict[str, str | int]", json.loads(line))
        kind = CopiedFile if "sha256" in values else CopiedFolder
        entry = kind(**values)  # type: ignore[arg-type]  # checked below
    except (ValueError, TypeError) as error:
        raise damaged(f"{LIST} has a line that is no entry") from error
    if not _stays_inside(entry.path):
        raise damaged(f"{LIST} names a path outside the backup")
    return entry


def _stays_inside(path: object) -> bool:
    if not isinstance(path, str) or "\0" in path:
        return False
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] in PLACES and ".." not in parts


def _sha256_of(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
