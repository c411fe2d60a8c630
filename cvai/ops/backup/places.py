"""Where a service keeps its state, and which parts are backed up."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvai.errors import ConfigurationInvalid
from cvai.files import private_file
from cvai.settings import Settings

RESTORING = ".restoring"
"""Marks a data folder that is being restored, on which no service starts."""

REPLACED = "replaced-"
"""Prefix of the previous contents of a restored data folder."""

MADE_AGAIN = frozenset({"work", "cines"})
"""Caches that a service rebuilds: work in progress, and the page's images."""


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of one service's state.

    Args:
        data_folder: everything that cvai writes for itself.
        inbox: deliveries not taken in yet, None where they lie outside of the data folder or there are none.
        archive: the embedded archive, the same.
        results: results, one folder a job.
        audit: the audit trail, None where it lies outside.
        page: the page's own database.
        configuration: files that the service needs and did not write, by the name of their copy.
    """

    data_folder: Path
    inbox: Path | None
    archive: Path | None
    results: Path
    audit: Path | None
    page: Path
    configuration: dict[str, Path]

    @classmethod
    def of(cls, settings: Settings, config: Path | None, page_database: str) -> Places:
        """The places named by the settings.

        Args:
            settings: of the service.
            config: the file they were read from.
            page_database: name of the page's database in the data folder.
        """
        data_folder = settings.data_folder.absolute()
        embedded = settings.archive == "folder"

        def within(path: Path, used: bool) -> Path | None:
            inside = path.absolute().is_relative_to(data_folder)
            return path.absolute() if used and inside else None

        dicom = settings.dicom
        files = {
            "service.toml": config,
            "site_intervals.json": settings.site_intervals,
            "tls_certificate.pem": dicom.tls_certificate,
            "tls_key.pem": dicom.tls_key,
            "tls_authorities.pem": dicom.tls_authorities,
        }
        return cls(
            data_folder=data_folder,
            inbox=within(settings.inbox_folder, embedded),
            archive=within(settings.archive_folder, embedded),
            results=settings.results_folder.absolute(),
            audit=within(settings.audit_file, True),
            page=data_folder / page_database,
            configuration={name: path for name, path in files.items() if path is not None and path.is_file()},
        )

    def elsewhere(self, settings: Settings) -> dict[str, str]:
        """Parts of the state outside of the data folder, with the reason why they are not copied."""
        omitted = {}
        if settings.archive == "folder" and self.archive is None:
            omitted["archive"] = "it is not in data_folder: copy it by its own means, after this backup"
        if settings.archive == "folder" and self.inbox is None:
            omitted["inbox"] = "it is not in data_folder"
        if settings.archive != "folder":
            omitted["archive"] = (
                f"studies are kept by the {settings.archive} archive: it has means of its own"
            )
        if self.audit is None:
            omitted["audit"] = "audit.file is not in data_folder"
        return omitted


def is_passing(name: str) -> bool:
    """Whether an entry of the data folder is temporary.

    >>> is_passing("worker-1.lock"), is_passing("work"), is_passing("results")
    (True, True, False)
    """
    return name in MADE_AGAIN or name.endswith(".lock") or name.startswith((".", REPLACED))


@contextmanager
def held_alone(data_folder: Path, what: str) -> Iterator[None]:
    """Allow one backup, or one restore, of a data folder at a time.

    Raises:
        ConfigurationInvalid: ``backup_running``: another one is.
    """
    with _locked(data_folder / f"{what}.lock") as free:
        if not free:
            raise ConfigurationInvalid(
                "backup_running", f"another {what} of this data folder is running.", "Wait for its end."
            )
        yield


@contextmanager
def no_service(data_folder: Path) -> Iterator[None]:
    """Hold the locks of all workers that ever used a data folder.

    Raises:
        ConfigurationInvalid: ``service_running``: one of them lives.
    """
    with ExitStack() as stack:
        for lock in sorted(data_folder.glob("*.lock")):
            if lock.name != "restore.lock" and not stack.enter_context(_locked(lock)):
                raise service_running(lock.stem)
        yield


def service_running(who: str) -> ConfigurationInvalid:
    """The error for a service that is running on the data to be replaced."""
    return ConfigurationInvalid(
        "service_running", f"{who} is at work on this data.", "Stop cvai serve and every cvai worker first."
    )


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    with private_file(path).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
