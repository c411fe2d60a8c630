"""One lock for each study that is being fetched."""

from __future__ import annotations

from threading import Lock
from weakref import WeakValueDictionary


class StudyLocks:
    """Locks of one worker by StudyInstanceUID; each is forgotten once nothing holds it."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    def of(self, study_uid: str) -> Lock:
        """The study's lock, the same for all who ask while one of them keeps it."""
        with self._guard:
            return self._locks.setdefault(study_uid, Lock())
