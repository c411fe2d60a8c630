"""What cvai asks of an archive: two small ports, and the values that pass through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cvai.archive.content import StudyContent
from cvai.archive.traits import StudyTraits

Cursor = Mapping[str, object]
"""How far a feed has been read; JSON values only, opaque to everybody but the feed that made it."""


BeforeSending = Callable[[], None]
"""Is called right before objects go out; what it raises ends the storing."""


def go_on() -> None:
    """Nothing stands against it."""


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What became of the objects handed to ``Archive.store``, as SOP Instance UIDs in the order given."""

    stored: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArchiveProbe:
    """An archive that answered.

    Args:
        detail: what answered, in words, without credentials.
        clock: the archive's own time, timezone aware; None where it does not tell.
    """

    detail: str
    clock: datetime | None


@dataclass(frozen=True, slots=True)
class Announcements:
    """Studies that have settled since the acknowledged cursor.

    Args:
        study_uids: each at most once, in the order they settled.
        cursor: to be acknowledged once every study has been dealt with.
        more: others are known to wait behind these, so that it is worth asking again at once.
    """

    study_uids: tuple[str, ...]
    cursor: Cursor
    more: bool = False


class Archive(Protocol):
    """A place that keeps DICOM studies.

    Every method raises TemporarilyUnavailable when the archive does not answer or asks to come back later,
    and ArchiveRejected when its answer is a final no. Calling a method again after any failure is safe.
    """

    def content(self, study_uid: str, max_age_s: float = 0.0) -> StudyContent:
        """All instances of a study as the archive lists them; no instances when it has no such study.

        A list that was asked for no longer ago than ``max_age_s``, and has not been used since, will do.
        """
        ...

    def traits(self, study_uid: str) -> StudyTraits:
        """What the headers of a study's series say about it, as far as the archive tells."""
        ...

    def fetch(self, study_uid: str, folder: Path) -> int:
        """Write every instance of a study into ``folder``, one file each, bytes as the archive keeps them.

        The folder is made when missing. Returns the number of files written. No file has its final name
        (``*.dcm``) before it is whole.
        """
        ...

    def store(
        self, study_uid: str, paths: Sequence[Path], before_sending: BeforeSending = go_on
    ) -> StoreReport:
        """Store DICOM files into a study; an object whose SOP Instance UID stands already is skipped.

        When this returns, every object stands in the archive. Before anything is sent, and sent again, it
        asks what stands there (some archives mishandle a repeated UID), then calls ``before_sending``.
        """
        ...

    def probe(self) -> ArchiveProbe:
        """Show that the archive answers and lets us in."""
        ...


class Destination(Protocol):
    """Somebody who is given results beside the archive. Raises what ``Archive`` raises."""

    def deliver(self, paths: Sequence[Path]) -> None:
        """Hand files over. When this returns they are kept there; handing them over again changes nothing."""
        ...


class StudyFeed(Protocol):
    """Tells which studies have settled.

    At least once: a study is announced again until its cursor has been acknowledged, also after a crash, and
    may be announced again at any later time. No study that settles is left out. Raises what ``Archive``
    raises.
    """

    def poll(self) -> Announcements:
        """Some of the studies that settled since the acknowledged cursor, the longest settled first.

        Returns at once, empty when there are none. However large the archive, one answer stays small.
        """
        ...

    def acknowledge(self, announcements: Announcements) -> None:
        """Make the cursor durable: what ``announcements`` told is not told again on its own account."""
        ...
