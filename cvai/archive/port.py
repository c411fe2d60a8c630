"""The ports to an archive, and the values that pass through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cvai.archive.content import StudyContent
from cvai.archive.traits import StudyTraits

Cursor = Mapping[str, object]
"""How far a feed has been read; JSON values, opaque to all but the feed that made it."""


BeforeSending = Callable[[], None]
"""Called right before objects are sent; an exception aborts the storing."""


def noop() -> None:
    """Allow sending."""


@dataclass(frozen=True, slots=True)
class StoreReport:
    """SOP Instance UIDs of the objects given to ``Archive.store``, in that order."""

    stored: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArchiveProbe:
    """An archive that answered.

    Args:
        detail: description of what answered, without credentials.
        clock: the archive's own time, timezone aware; None where unknown.
    """

    detail: str
    clock: datetime | None


@dataclass(frozen=True, slots=True)
class Announcements:
    """Studies that have settled since the acknowledged cursor.

    Args:
        study_uids: each at most once, in the order they settled.
        cursor: to be acknowledged once every study has been processed.
        more: further studies are known to wait, so poll again at once.
    """

    study_uids: tuple[str, ...]
    cursor: Cursor
    more: bool = False


class Archive(Protocol):
    """A store of DICOM studies.

    Every method raises TemporarilyUnavailable when the archive does not answer or asks to come back later,
    and ArchiveRejected when its answer is a final no. Calling a method again after any failure is safe.
    """

    def content(self, study_uid: str, max_age_s: float = 0.0) -> StudyContent:
        """All instances of a study as the archive lists them; no instances when it has no such study.

        A cached listing of at most ``max_age_s`` that has not been used yet may be returned.
        """
        ...

    def traits(self, study_uid: str) -> StudyTraits:
        """Header values of a study's series, as far as the archive provides them."""
        ...

    def fetch(self, study_uid: str, folder: Path) -> int:
        """Write every instance of a study into ``folder``, one file each, bytes as the archive keeps them.

        The folder is created when missing. Returns the number of files written. No file has its final name
        (``*.dcm``) before it is complete.
        """
        ...

    def store(
        self, study_uid: str, paths: Sequence[Path], before_sending: BeforeSending = noop
    ) -> StoreReport:
        """Store DICOM files into a study; objects whose SOP Instance UID is already there are skipped.

        When this returns, every object is in the archive. Before each attempt to send it queries what is
        there (some archives mishandle a repeated UID), then calls ``before_sending``.
        """
        ...

    def probe(self) -> ArchiveProbe:
        """Check that the archive answers and accepts the credentials."""
        ...


class Destination(Protocol):
    """A recipient of results besides the archive. Raises as ``Archive``."""

    def deliver(self, paths: Sequence[Path]) -> None:
        """Deliver files. When this returns they are stored there; repeating it changes nothing."""
        ...


class StudyFeed(Protocol):
    """Announces studies that have settled, at least once.

    A study is announced again until its cursor has been acknowledged, also after a crash, and may be
    announced again at any later time. No settled study is missed. Raises as ``Archive``.
    """

    def poll(self) -> Announcements:
        """Some of the studies that settled since the acknowledged cursor, the longest settled first.

        Returns at once, empty when there are none; the number is bounded whatever the size of the archive.
        """
        ...

    def acknowledge(self, announcements: Announcements) -> None:
        """Make the cursor durable: acknowledged studies are not re-announced unless they change."""
        ...
